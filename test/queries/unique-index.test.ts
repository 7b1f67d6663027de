import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { expect, it } from "vitest";
import { forUser } from "../../src/index.js";
import { importSessions } from "../../src/queries/import.js";
import { journeySessions } from "../../src/schema.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { text } from "../support/messages.js";

const db = openPostgresJs(await migratedDatabase());
await db.execute(sql`create unique index one_session_each on journey_sessions (user_id)`);

it("a unique index of the application's own that refuses a row is not taken for the id's", async () => {
  const owner = newUser();
  const sessions = forUser(db, owner);
  const { id } = await sessions.create({ messages: [text("m1")] });
  const refused = { code: "conflict", sqlState: "23505", constraint: "one_session_each" };
  await expect(sessions.create()).rejects.toMatchObject(refused);
  await expect(sessions.fork(id)).rejects.toMatchObject(refused);
  await expect(sessions.append(randomUUID(), text("m1"), { create: true })).rejects.toMatchObject(refused);
  const line = {
    ...{ id: randomUUID(), phase: "setup", messages: [], metadata: {} },
    ...{ createdAt: "2026-01-31T09:30:00Z", updatedAt: "2026-01-31T09:30:00Z" },
  };
  const imported = importSessions({})(journeySessions).run(
    db,
    { userId: owner, sessions: JSON.stringify([line]) },
    true,
  );
  await expect(imported).rejects.toMatchObject({ thrown: { cause: { code: "23505" } } });
  expect(await sessions.count()).toBe(1);
});
