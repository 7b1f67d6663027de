import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { defineJourney } from "../../src/index.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions } from "../../src/schema.js";
import { newUser, openPostgresJs, rowsDatabase } from "../support/database.js";
import { text } from "../support/messages.js";
import { countedDuring } from "../support/table-statistics.js";

const db = openPostgresJs(await rowsDatabase(), { max: 1 });
const sessions = defineJourney({ messages: messagesTable(journeySessions) }).forUser(db, newUser());
const megabyte = randomBytes(750_000).toString("base64");
let id: string;

beforeAll(async () => {
  // Vacuum reads too.
  await db.execute(
    sql`alter table journey_messages set (autovacuum_enabled = false, toast.autovacuum_enabled = false)`,
  );
  const messages = [text("m1"), text("m2", megabyte), text("m3"), text("m4")];
  ({ id } = await sessions.create({ messages }));
});

const counted = (call: () => Promise<unknown>) => countedDuring(db, call, "journey_messages");

describe("a message of a megabyte", () => {
  it("is read by a page that has it, and it shows", async () => {
    expect((await counted(() => sessions.messages(id, { limit: 3 }))).toastBlocks).toBeGreaterThan(100);
  });

  it("is not read by a page that begins right after it, which says that there are more", async () => {
    const { toastBlocks } = await counted(async () => {
      const page = await sessions.messages(id, { limit: 2 });
      expect(page).toMatchObject({ messages: [text("m3"), text("m4")], hasMore: true });
    });
    expect(toastBlocks).toBe(0);
  });

  it("is not read by a page before it", async () => {
    const { toastBlocks } = await counted(async () => {
      const page = await sessions.messages(id, { before: "m2" });
      expect(page).toMatchObject({ messages: [text("m1")], hasMore: false });
    });
    expect(toastBlocks).toBe(0);
  });

  it("is neither read nor written by the next append", async () => {
    const { toastBlocks, toastWrites } = await counted(() =>
      sessions.append(id, text("m5"), { after: "m4" }),
    );
    expect({ toastBlocks, toastWrites }).toEqual({ toastBlocks: 0, toastWrites: 0 });
  });
});
