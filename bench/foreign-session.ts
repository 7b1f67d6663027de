/**
 * Whether the time of a refusal reveals that a session exists: 200 interleaved calls of each kind on another
 * user's 5 MB session, an unused id, and the id of a deleted session. Prints medians and quartiles in
 * microseconds. Uses DATABASE_URL, or else a server of its own.
 */
import "../scripts/closed-output.js";
import { connect } from "../src/connection/connect.js";
import { forUser, type JourneyMessage } from "../src/index.js";
import { migrate } from "../src/migrate.js";
import { startServer } from "../test/support/child-server.js";

const ROUNDS = Number(process.env.ROUNDS ?? 200);
const KINDS = ["foreign", "unknown", "deleted"] as const;
type Kind = (typeof KINDS)[number];

const message = (id: string, text: string): JourneyMessage => ({
  id,
  role: "user",
  parts: [{ type: "text", text }],
});
const words = (bytes: number) =>
  Array.from({ length: bytes / 8 }, (_, n) => ((n * 2654435761) % 0xfffffff).toString(36).padEnd(7)).join(
    " ",
  );

const server = process.env.DATABASE_URL
  ? { url: process.env.DATABASE_URL, stop: async () => {} }
  : await startServer();
const { db, close } = await connect({ url: server.url, max: 1 });
await migrate(db);
const other = forUser(db, `bench other ${crypto.randomUUID()}`);
const mine = forUser(db, `bench mine ${crypto.randomUUID()}`);
const big = () => Array.from({ length: 50 }, (_, n) => message(`m${n}`, words(100_000)));
const ids: Record<Kind, string> = {
  foreign: (await other.create({ messages: big(), metadata: { a: 1 } })).id,
  unknown: crypto.randomUUID(),
  deleted: (await mine.create({ messages: big() })).id,
};
await mine.delete(ids.deleted);
const ifRevision = "2026-01-01T00:00:00.000001";

const calls: Record<string, (id: string) => Promise<unknown>> = {
  get: (id) => mine.get(id),
  messages: (id) => mine.messages(id),
  "messages before": (id) => mine.messages(id, { before: "m9" }),
  append: (id) => mine.append(id, message("m1", "hello")),
  "append after": (id) => mine.append(id, message("new", "hello"), { after: "m49" }),
  "append from": (id) => mine.append(id, message("new", "hello"), { from: "m9" }),
  setPhase: (id) => mine.setPhase(id, "review"),
  "setPhase from": (id) => mine.setPhase(id, "review", { from: "setup" }),
  mergeMetadata: (id) => mine.mergeMetadata(id, { a: 2 }),
  "mergeMetadata ifMatch": (id) => mine.mergeMetadata(id, { a: 2 }, { ifMatch: { a: 1 } }),
  replaceMessages: (id) => mine.replaceMessages(id, []),
  truncate: (id) => mine.truncate(id, { from: "m9" }),
  fork: (id) => mine.fork(id),
  "fork through": (id) => mine.fork(id, { through: "m9" }),
  delete: (id) => mine.delete(id),
  "delete ifRevision": (id) => mine.delete(id, { ifRevision }),
};

const at = (sorted: number[], share: number) => sorted[Math.floor(sorted.length * share)] ?? 0;
const shown = (value: number) => value.toFixed(0).padStart(6);

console.log(`${ROUNDS} interleaved calls each, µs: median (25 % – 75 %)`);
for (const [name, call] of Object.entries(calls)) {
  const times: Record<Kind, number[]> = { foreign: [], unknown: [], deleted: [] };
  for (let round = -20; round < ROUNDS; round++) {
    // In a different order each time, since each call warms caches for the next.
    const order = KINDS.map((kind) => ({ kind, place: Math.random() })).sort((a, b) => a.place - b.place);
    for (const { kind } of order) {
      const start = process.hrtime.bigint();
      await call(ids[kind]).catch(() => {});
      if (round >= 0) times[kind].push(Number(process.hrtime.bigint() - start) / 1000);
    }
  }
  for (const kind of KINDS) times[kind].sort((a, b) => a - b);
  const columns = KINDS.map(
    (kind) =>
      `${kind}${shown(at(times[kind], 0.5))} (${shown(at(times[kind], 0.25))} – ${shown(at(times[kind], 0.75))})`,
  );
  const medians = KINDS.map((kind) => at(times[kind], 0.5));
  const apart = Math.max(...medians) - Math.min(...medians);
  console.log(`${name.padEnd(22)} ${columns.join("  ")}  apart ${shown(apart)}`);
}
await other.deleteAll();
await close();
await server.stop();
