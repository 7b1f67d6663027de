import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { forUser } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { text } from "../support/messages.js";
import { countedDuring } from "../support/table-statistics.js";
import { CASES, unstored } from "../support/verbs.js";

// PostgreSQL keeps what is long in another table. `explain analyze` cannot tell whether that was
// read, since it makes no output; the server's counts of blocks can.
const db = openPostgresJs(await migratedDatabase(), { max: 1 });
const sessions = forUser(db, newUser());
let id: string;

beforeAll(async () => {
  // Vacuum reads too.
  await db.execute(
    sql`alter table journey_sessions set (autovacuum_enabled = false, toast.autovacuum_enabled = false)`,
  );
  for (const phase of ["setup", "review", "setup", "review"]) {
    const megabyte = text("m1", randomBytes(750_000).toString("base64"));
    ({ id } = await sessions.create({ phase, messages: [megabyte], metadata: { title: "Trip" } }));
  }
});

const blocksOf = async (call: () => Promise<unknown>) => (await countedDuring(db, call)).toastBlocks;

describe("conversations of a megabyte", () => {
  it("are read by get, latest and messages, and it shows", async () => {
    for (const call of [() => sessions.get(id), () => sessions.latest(), () => sessions.messages(id)]) {
      expect(await blocksOf(call), String(call)).toBeGreaterThan(100);
    }
  });

  it.each(
    (["created", "updated"] as const).flatMap((orderBy) =>
      [{ orderBy }, { orderBy, phase: "review" }].map((options) => [options]),
    ),
  )("are not read by list %j, nor by its next page", async (options) => {
    const first = () => sessions.list({ ...options, limit: 1 });
    expect(await blocksOf(first)).toBe(0);
    const { nextCursor: cursor } = await first();
    expect(cursor).toBeTypeOf("string");
    expect(await blocksOf(() => sessions.list({ ...options, limit: 1, cursor }))).toBe(0);
  });

  it("large metadata is read of the page alone, whatever the order", async () => {
    const large = forUser(db, newUser());
    for (let n = 0; n < 20; n++) {
      await large.create({ metadata: { note: randomBytes(30_000).toString("base64") } });
    }
    const byCreated = await blocksOf(() => large.list({ limit: 1 }));
    expect(byCreated).toBeGreaterThan(10);
    expect(await blocksOf(() => large.list({ limit: 1, orderBy: "updated" }))).toBeLessThan(1.5 * byCreated);
  });

  it("are not read by count, nor on the way to another owner's session", async () => {
    const stranger = forUser(db, newUser());
    expect(await blocksOf(() => sessions.count())).toBe(0);
    for (const { name, call } of CASES.filter(({ onSession }) => onSession)) {
      const given = { ...unstored(), id };
      expect(await blocksOf(() => call(stranger, given).catch(() => {})), name).toBe(0);
    }
  });
});

const smallWrites: [string, () => Promise<unknown>][] = [
  ["setPhase", () => sessions.setPhase(id, "review")],
  ["setPhase from", () => sessions.setPhase(id, "setup", { from: "review" })],
  ["mergeMetadata", () => sessions.mergeMetadata(id, { step: 1 })],
  ["mergeMetadata ifMatch", () => sessions.mergeMetadata(id, { step: null }, { ifMatch: { step: 1 } })],
];

describe("writes that leave a conversation as it is", () => {
  it.each(smallWrites)("%s writes none of it, and reads it once at most", async (_, write) => {
    const once = await blocksOf(() => sessions.get(id));
    const { toastBlocks, toastWrites, updates } = await countedDuring(db, write);
    expect({ updates, toastWrites }).toEqual({ updates: 1, toastWrites: 0 });
    expect(toastBlocks).toBeLessThan(1.5 * once);
  });

  it.each([
    ["append", {}],
    ["append with create", { create: true }],
  ])(
    "%s reads it once more than `messages || …` does at most, to check it, and writes it once",
    async (_, options) => {
      const once = await blocksOf(() => sessions.get(id));
      const least = await countedDuring(db, () =>
        db.execute(sql`update journey_sessions set messages = messages || '[{}]' where id = ${id}`),
      );
      const call = () => sessions.append(id, text(`n ${JSON.stringify(options)}`), options);
      const { toastBlocks, toastWrites } = await countedDuring(db, call);
      expect(Math.abs(toastWrites - least.toastWrites)).toBeLessThan(5);
      expect(toastBlocks - least.toastBlocks).toBeLessThan(1.5 * once);
    },
  );

  it("it is the check of the stored row that reads it, not the statement", async () => {
    await db.execute(
      sql`alter table journey_sessions drop constraint if exists journey_sessions_messages_is_array`,
    );
    for (const [name, write] of smallWrites) expect(await blocksOf(write), name).toBe(0);
  });
});
