import { describe, expect, it } from "vitest";
import { migrate, shippedMigrations } from "../../src/maintenance/migrate.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions } from "../../src/schema.js";
import { emptyDatabase, newUser } from "../support/database.js";
import { text } from "../support/messages.js";
import { startPgbouncer } from "../support/pgbouncer.js";
import { POOLED } from "../support/pooled.js";

describe.each(Object.entries(POOLED))("%s", (_, open) => {
  it("migrates, with message rows, and keeps messages in rows", async () => {
    const pooler = await startPgbouncer({ serverConnections: 2 });
    const { db, defineJourney } = await open(pooler.through(await emptyDatabase()), 2);
    const both = { with: ["message-rows"] } as const;
    const names = (["main", "message-rows"] as const).flatMap((of) =>
      shippedMigrations(of).map(({ name }) => name),
    );
    expect(await Promise.all([migrate(db, both), migrate(db, both)])).toEqual(
      expect.arrayContaining([{ applied: names }, { applied: [] }]),
    );
    const sessions = defineJourney({ messages: messagesTable(journeySessions) }).forUser(db, newUser());
    const { id } = await sessions.create({ messages: [text("m1")] });
    await sessions.append(id, text("m2"));
    expect((await sessions.get(id))?.messages.map((message) => message.id)).toEqual(["m1", "m2"]);
  });
});
