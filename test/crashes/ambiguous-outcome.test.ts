import { describe, expect, it } from "vitest";
import { forUser } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import {
  migratedDatabase,
  newUser,
  openConnected,
  openNodePostgres,
  openPostgresJs,
} from "../support/database.js";
import { errorOf } from "../support/errors.js";
import { LOSSES, lossyProxy } from "../support/lossy-proxy.js";
import { CASES, conversation, type Sessions } from "../support/verbs.js";

const url = await migratedDatabase();
/** Past the proxy. */
const direct = openPostgresJs(url);
const proxy = await lossyProxy(url);

const OPEN: Record<string, () => Promise<Database>> = {
  "connect()": () => openConnected(proxy.url, { max: 1 }),
  "node-postgres": async () => openNodePostgres(proxy.url, { max: 1 }),
};

/** The proxy knows a write by the server's answer, which for deleteAll is a SELECT's. */
const WRITES = CASES.filter(({ writes, verb }) => writes && verb !== "deleteAll");

/** The content of all sessions of a user, oldest first. */
async function contentOf(sessions: Sessions) {
  const content: unknown[] = [];
  for await (const { phase, messages, metadata } of sessions.export())
    content.push({ phase, messages, metadata });
  return content;
}

describe.each(Object.keys(OPEN))("%s", (driver) => {
  describe.each(LOSSES)("when the connection is cut and %s is lost", (loss) => {
    it.each(WRITES)(
      "$name: the outcome is unknown, and the call, repeated, leaves one copy of everything",
      async ({ name, verb, retryable, call }) => {
        const owner = newUser();
        const look = forUser(direct, owner);
        const given = await conversation(look);
        const before = await contentOf(look);
        const once = forUser(direct, newUser());
        await call(once, await conversation(once));
        const after = await contentOf(once);

        const sessions = forUser(await (OPEN[driver] as () => Promise<Database>)(), owner);
        // The connection is made, and where it is a driver's way, the statement prepared.
        await sessions.count();
        const { committed, cuts } = proxy;
        proxy.lose(loss);
        const error = await errorOf(call(sessions, given));
        expect(error).toMatchObject({ code: "unavailable", retryable });
        expect(error.message).toMatch(/whether the call took effect is unknown/);
        expect(proxy.cuts - cuts).toBe(1);
        expect(await contentOf(look)).toEqual(loss === "the answer" ? after : before);
        // Neither the driver nor this package sends a write again by itself.
        expect(proxy.committed - committed).toBe(loss === "the answer" ? 1 : 0);

        // Repeated late it overwrites what others wrote, at once it does no harm.
        if (!retryable && name !== "replaceMessages") return;
        await call(sessions, given);
        expect(await contentOf(look)).toEqual(after);
        // A delete finds nothing to write then.
        if (verb !== "delete") expect(proxy.committed - committed).toBe(loss === "the answer" ? 2 : 1);
      },
    );
  });
});
