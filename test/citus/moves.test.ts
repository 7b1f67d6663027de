import postgres from "postgres";
import { describe, expect, it } from "vitest";
import { convertLayout } from "../../src/admin.js";
import { defineJourney, JourneyDbError } from "../../src/index.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions } from "../../src/schema.js";
import { citusDatabase, clusterServers } from "../support/citus.js";
import { newUser, openConnected, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";
import { durableFor } from "../support/replies.js";
import { CLIENTS, expectStored, startWriting, toldOf } from "../support/writers.js";

interface Placement {
  shardid: string;
  from: { host: string; port: number };
  to: { host: string; port: number };
}

/** Each shard's placement, to be moved to the next server. */
async function placements(sql: postgres.Sql): Promise<Placement[]> {
  const servers =
    (await sql`select nodename as host, nodeport as port from pg_dist_node where shouldhaveshards order by groupid`) as unknown as {
      host: string;
      port: number;
    }[];
  const shards =
    await sql`select shardid, nodename as host, nodeport as port from citus_shards where table_name = 'journey_sessions'::regclass`;
  return shards.map(({ shardid, host, port }) => {
    const at = servers.findIndex((one) => one.host === host && one.port === port);
    return {
      shardid,
      from: { host, port },
      to: servers[(at + 1) % servers.length] as { host: string; port: number },
    };
  });
}

describe.each(CLIENTS)("a program that writes through %s", (client) => {
  it("while each shard moves to another server, and its servers' connections are ended, loses nothing that was acknowledged, and stores nothing twice", async () => {
    const url = await citusDatabase();
    const sql = rawClient(url, { max: 1 });
    const program = startWriting(url, client);
    await program.goesOn(1);
    for (const { shardid, from, to } of await placements(sql)) {
      if (from.port !== to.port || from.host !== to.host)
        await sql`select citus_move_shard_placement(${shardid}, ${from.host}, ${from.port}, ${to.host}, ${to.port}, 'block_writes')`;
      await program.goesOn(1);
    }
    for (const { host, port, isCoordinator } of await clusterServers()) {
      if (isCoordinator) continue;
      const server = new URL(url);
      Object.assign(server, { hostname: host, port: String(port) });
      const worker = postgres(server.href, { max: 1 });
      await worker`select pg_terminate_backend(pid::int) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`;
      await worker.end();
      await program.goesOn(1);
    }
    expect(await program.stop()).toBe(0);
    expect(toldOf(program)).toBeGreaterThan(0);
    await expectStored(sql, program);
  });
});

/** Moves the user's shard to another server and back, three times, while the work goes on. */
async function moveUnder(url: string, user: string, work: Promise<unknown>) {
  const sql = rawClient(url, { max: 1 });
  let isDone = false;
  void work.finally(() => {
    isDone = true;
  });
  const [shard] =
    await sql`select get_shard_id_for_distribution_column('journey_sessions', ${user}::text) as id`;
  for (let n = 0; n < 6 && !isDone; n++) {
    const { from, to } = (await placements(sql)).find(({ shardid }) => shardid === shard?.id) as Placement;
    if (from.port === to.port && from.host === to.host) break;
    await sql`select citus_move_shard_placement(${shard?.id}, ${from.host}, ${from.port}, ${to.host}, ${to.port}, 'block_writes')`;
  }
  return sql;
}

describe("of several writers of one session in rows, while its shard moves,", () => {
  const journey = defineJourney({ messages: messagesTable(journeySessions), distributed: true });
  /** A session of a cluster of the test's own. */
  const begun = async () => {
    const url = await citusDatabase();
    const db = await openConnected(url, { max: 8 });
    const user = newUser();
    const sessions = journey.forUser(db, user);
    return { url, db, user, sessions, id: (await sessions.create()).id };
  };
  const retried = async <T>(call: () => Promise<T>): Promise<T> => {
    for (;;)
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof JourneyDbError && error.retryable)) throw error;
      }
  };

  it("each message is stored once, and the session counts them", async () => {
    const { url, db, user, sessions, id } = await begun();
    let isMoved = false;
    const writer = async (name: number) => {
      const told: string[] = [];
      for (let n = 0; !isMoved || n < 5; n++) {
        await retried(() => sessions.append(id, text(`w${name}-${n}`)));
        told.push(`w${name}-${n}`);
      }
      return told;
    };
    const writers = Promise.all([0, 1, 2, 3, 4, 5].map(writer));
    const sql = await moveUnder(url, user, writers);
    isMoved = true;
    const told = (await writers).flat();
    const stored = (await sessions.get(id))?.messages.map((message) => message.id);
    expect(stored?.sort()).toEqual(told.sort());
    const [marked] = await sql`select messages -> 'rows' as rows from journey_sessions`;
    expect(marked?.rows).toBe(told.length);
    expect(await verify(db)).toEqual([]);
  });

  it("convertLayout loses none", async () => {
    const { url, db, user, sessions, id } = await begun();
    let isMoved = false;
    const writing = (async () => {
      const told: string[] = [];
      for (let n = 0; !isMoved || n < 5; n++) {
        await retried(() => sessions.append(id, text(`m${n}`)));
        told.push(`m${n}`);
      }
      return told;
    })();
    const converting = (async () => {
      while (!isMoved) await retried(() => convertLayout(db, { to: "column" }));
    })();
    await moveUnder(url, user, writing);
    isMoved = true;
    await converting;
    const told = await writing;
    expect((await sessions.get(id))?.messages.map((message) => message.id)).toEqual(told);
  });
});

it("watch and replies.read see what is written, without a listener", async () => {
  const db = await openConnected(await citusDatabase());
  const sessions = durableFor(db, newUser());
  const { id } = await sessions.create({ messages: [text("m1")] });
  const changes = sessions.watch(id)[Symbol.asyncIterator]();
  await changes.next();
  const { revision } = await sessions.setPhase(id, "review");
  expect((await changes.next()).value).toMatchObject({ revision });
  await sessions.replies.start(id, "r1", { messageId: "m2" });
  expect((await changes.next()).value).toMatchObject({ reply: { replyId: "r1", state: "running" } });
  const reading = sessions.replies.read(id, { replyId: "r1", waitMs: 10_000 });
  await sessions.replies.write(id, "r1", { n: 1, chunks: "one" });
  expect(await reading).toMatchObject({ chunks: "one" });
  await changes.return?.();
});
