import postgres from "postgres";
import { describe, expect, it } from "vitest";
import { citusDatabase, clusterServers } from "../support/citus.js";
import { newUser, openConnected, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";
import { durableFor } from "../support/replies.js";
import { CLIENTS, expectStored, startWriting, toldOf } from "../support/writers.js";

/** Each shard's placement, to be moved to the next server. */
async function placements(sql: postgres.Sql) {
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
