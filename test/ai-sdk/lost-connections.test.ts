import { createConnection, createServer, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { startTurn } from "../../src/ai-sdk.js";
import { forUser } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import {
  atEnd,
  migratedDatabase,
  newUser,
  openConnected,
  openNodePostgres,
  openPostgresJs,
  rawClient,
} from "../support/database.js";
import { LOSSES, lossyProxy } from "../support/lossy-proxy.js";
import { idsOf, text } from "../support/messages.js";
import { ended, openFor, requestOf } from "../support/turn.js";

const url = await migratedDatabase();
const sql = rawClient(url);
/** Not through the proxies. */
const direct = openPostgresJs(url);

/** A proxy to the server that can reset an idle connection: its next packet is answered with RST. */
async function resettingProxy() {
  const { hostname: host, port } = new URL(url);
  const sockets = new Set<Socket>();
  let resets = 0;
  let isToReset = false;
  const proxy = createServer((client) => {
    const server = createConnection({ host, port: Number(port) });
    for (const socket of [client, server]) sockets.add(socket.on("error", () => {}));
    server.on("data", (chunk) => client.destroyed || client.write(chunk));
    client.on("data", (chunk) => {
      if (!isToReset) return void server.write(chunk);
      isToReset = false;
      resets++;
      client.resetAndDestroy();
      server.destroy();
    });
    client.on("close", () => server.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  atEnd(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });
  const through = new URL(url);
  through.port = String((proxy.address() as { port: number }).port);
  through.searchParams.set("sslmode", "disable");
  return {
    url: through.href,
    reset: () => {
      isToReset = true;
    },
    resets: () => resets,
  };
}

const OPEN: Record<string, (url: string) => Promise<Database>> = {
  "connect()": (url) => openConnected(url, { max: 1 }),
  "node-postgres": async (url) => openNodePostgres(url, { max: 1 }),
};

/** A turn whose answer is not stored yet. */
async function openTurn(db: Database, options: { timeoutMs?: number } = {}) {
  const user = newUser();
  const { id } = openFor(db);
  const turn = await startTurn(
    forUser(db, user, options),
    id,
    requestOf({ message: text("m1"), after: null }),
    { onError: () => {} },
  );
  const answer = () => turn.response.onFinish(ended(text("a1", "the answer", "assistant")));
  const stored = async () => (await forUser(direct, user).get(id))?.messages ?? [];
  return { id, turn, answer, stored };
}

/** Locks the session's row in another transaction until it is released. */
async function holdRow(id: string, change = false) {
  const holder = await sql.reserve();
  await holder`begin`;
  if (change) await holder`update journey_sessions set phase = 'review' where id = ${id}`;
  else await holder`select from journey_sessions where id = ${id} for update`;
  const waiting = () => sql<{ pid: number }[]>`
    select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  return {
    async waiting(statements: number) {
      await expect.poll(waiting, { interval: 5, timeout: 25_000 }).toHaveLength(statements);
      return (await waiting()).map(({ pid }) => pid);
    },
    async release() {
      await holder`commit`;
      holder.release();
    },
  };
}

describe.each(Object.entries(OPEN))("over %s", (_, open) => {
  test.each(LOSSES)("an answer is stored once where the connection breaks and loses %s", async (loss) => {
    const proxy = await lossyProxy(url);
    const { turn, answer, stored } = await openTurn(await open(proxy.url));
    proxy.lose(loss);
    await answer();
    expect(proxy.cuts).toBe(1);
    expect(await turn.stored).toMatchObject({ messageCount: 2 });
    expect(idsOf(await stored())).toEqual(["m1", "a1"]);
  });

  test("an answer is stored where an idle connection is reset", async () => {
    const proxy = await resettingProxy();
    const { turn, answer, stored } = await openTurn(await open(proxy.url));
    proxy.reset();
    await answer();
    expect(proxy.resets()).toBe(1);
    expect(await turn.stored).toMatchObject({ messageCount: 2 });
    expect(idsOf(await stored())).toEqual(["m1", "a1"]);
  });

  test("an answer is stored where the server ends the connection that waits to store it", async () => {
    const { id, answer, stored } = await openTurn(await open(url));
    const row = await holdRow(id);
    const storing = answer();
    const [pid] = await row.waiting(1);
    await sql`select pg_terminate_backend(${pid as number})`;
    await row.release();
    await storing;
    expect(idsOf(await stored())).toEqual(["m1", "a1"]);
  });
});

test("an answer whose deadline passes while it waits is stored once", async () => {
  const { id, turn, answer, stored } = await openTurn(openPostgresJs(url), { timeoutMs: 300 });
  const row = await holdRow(id);
  const storing = answer();
  // The first statement still waits, and so does a second one.
  await row.waiting(2);
  await row.release();
  await storing;
  expect(await turn.stored).toMatchObject({ messageCount: 2 });
  expect(idsOf(await stored())).toEqual(["m1", "a1"]);
});

describe.each(["repeatable read", "serializable"] as const)(
  "where transactions are %s by default",
  (isolation) => {
    const db = openPostgresJs(url, { connection: { default_transaction_isolation: isolation } });

    test("an answer is stored although the session changes at that moment", async () => {
      const { id, answer, stored } = await openTurn(db);
      const row = await holdRow(id, true);
      const storing = answer();
      await row.waiting(1);
      await row.release();
      await storing;
      expect(idsOf(await stored())).toEqual(["m1", "a1"]);
    });

    test("so is a question, which is not refused as if another tab had gone on", async () => {
      const { id, answer, turn } = await openTurn(db);
      await answer();
      expect(await turn.stored).not.toBeNull();
      const [owned] = await sql`select user_id from journey_sessions where id = ${id}`;
      const row = await holdRow(id, true);
      const asking = startTurn(
        forUser(db, owned?.user_id),
        id,
        requestOf({ message: text("m2"), after: "a1" }),
      );
      await row.waiting(1);
      await row.release();
      expect(idsOf((await asking).messages)).toEqual(["m1", "a1", "m2"]);
    });
  },
);
