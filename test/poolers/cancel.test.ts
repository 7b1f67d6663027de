import { expect, it } from "vitest";
import { forUser } from "../../src/index.js";
import { migratedDatabase, newUser, openPooled, rawClient } from "../support/database.js";
import { startPgbouncer } from "../support/pgbouncer.js";

it("a call that has ended early is cancelled on the server, and leaves the pooler's connection to others", async () => {
  const url = await migratedDatabase();
  const pooler = await startPgbouncer({ serverConnections: 1 });
  const [db, other] = [await openPooled(pooler.through(url), 1), await openPooled(pooler.through(url), 1)];
  const owner = newUser();
  const { id } = await forUser(db, owner).create();
  await rawClient(url).begin(async (tx) => {
    await tx`select from journey_sessions where id = ${id} for update`;
    const call = forUser(db, owner, { timeoutMs: 500 }).setPhase(id, "review");
    await expect(call).rejects.toMatchObject({ code: "timeout" });
    expect(await forUser(other, newUser()).count()).toBe(0);
    expect(await forUser(db, owner).count()).toBe(1);
  });
  expect((await forUser(db, owner).get(id))?.phase).toBe("setup");
});
