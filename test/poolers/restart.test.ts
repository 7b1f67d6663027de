import { expect, it, vi } from "vitest";
import { forUser, type JourneyDbError } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { errorOf } from "../support/errors.js";
import { idsOf, text } from "../support/messages.js";
import { startPgbouncer } from "../support/pgbouncer.js";
import { POOLED } from "../support/pooled.js";

// Servers that start again and pools that find them again take longer on a slow machine.
vi.setConfig({ testTimeout: 180_000 });

const WRITERS = 8;
const RESTARTS = 3;

it.each(Object.entries(POOLED))(
  "%s: while the pooler is killed and started again, errors are typed, acknowledged writes are stored, and the pool recovers",
  async (_, open) => {
    const url = await migratedDatabase();
    const pooler = await startPgbouncer();
    const { db, forUser: pooled } = await open(pooler.through(url), WRITERS);
    const owner = newUser();
    const { id } = await forUser(openPostgresJs(url), owner).create();
    const sessions = pooled(db, owner);

    const sent: string[] = [];
    const acknowledged: string[] = [];
    const notSent: string[] = [];
    const errors: JourneyDbError[] = [];
    /** How each writer's last call ended. */
    const last: ("acknowledged" | "failed")[] = [];
    let stopped = false;

    async function write(writer: number): Promise<void> {
      for (let n = 0; !stopped; n++) {
        const message = `${writer}:${n}`;
        sent.push(message);
        const append = sessions.append(id, text(message));
        const failed = await append.then(
          () => undefined,
          () => errorOf(append),
        );
        last[writer] = failed ? "failed" : "acknowledged";
        if (!failed) acknowledged.push(message);
        else errors.push(failed);
        if (failed?.message.includes("nothing was sent")) notSent.push(message);
      }
    }

    const all = (how: "acknowledged" | "failed") =>
      expect.poll(() => last.filter((one) => one === how).length, { timeout: 20_000 }).toBe(WRITERS);
    const writers = Array.from({ length: WRITERS }, (_, writer) => write(writer));
    try {
      for (let n = 0; n < RESTARTS; n++) {
        await all("acknowledged");
        await pooler.kill();
        await all("failed");
        await pooler.start();
      }
      await all("acknowledged");
    } finally {
      stopped = true;
      await Promise.all(writers);
    }

    for (const error of errors) expect(error).toMatchObject({ code: "unavailable", retryable: true });
    expect(errors.length).toBeGreaterThanOrEqual(WRITERS * RESTARTS);
    const stored = idsOf((await forUser(openPostgresJs(url), owner).get(id))?.messages ?? []);
    expect(stored).toHaveLength(new Set(stored).size);
    expect(acknowledged.filter((message) => !stored.includes(message))).toEqual([]);
    expect(notSent.filter((message) => stored.includes(message))).toEqual([]);
    expect(stored.filter((message) => !sent.includes(message))).toEqual([]);
  },
);
