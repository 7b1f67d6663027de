import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { forUser, type JourneyMessage, type UserSessions } from "../../src/index.js";
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
import { text } from "../support/messages.js";

const url = await migratedDatabase();
/** Past the proxy. */
const direct = openPostgresJs(url);
const proxy = await lossyProxy(url);

const OPEN: Record<string, () => Promise<Database>> = {
  "connect()": () => openConnected(proxy.url, { max: 1 }),
  "node-postgres": async () => openNodePostgres(proxy.url, { max: 1 }),
};

interface Content {
  phase?: string;
  messages?: JourneyMessage[];
  metadata?: object;
}

interface Case {
  retryable: boolean;
  call: (
    sessions: UserSessions<JourneyMessage, Record<string, unknown>, string>,
    id: string,
  ) => Promise<object>;
  /** What the session has afterwards that it did not have before. */
  after: Content;
}

const before = { phase: "setup", messages: [text("m1"), text("m2")], metadata: { kept: true, old: 1 } };
const [m1, m2] = before.messages as [JourneyMessage, JourneyMessage];
const grown = text("m2", "m2, grown");
const m3 = text("m3", "the answer", "assistant");

/** On a session that is as `before`. */
const onExisting: Record<string, Case> = {
  append: { retryable: true, call: (s, id) => s.append(id, m3), after: { messages: [m1, m2, m3] } },
  "append of several, one of them known": {
    retryable: true,
    call: (s, id) => s.append(id, [grown, m3]),
    after: { messages: [m1, grown, m3] },
  },
  "append with create": {
    retryable: true,
    call: (s, id) => s.append(id, m3, { create: true }),
    after: { messages: [m1, m2, m3] },
  },
  "append with after": {
    retryable: true,
    call: (s, id) => s.append(id, m3, { after: "m2" }),
    after: { messages: [m1, m2, m3] },
  },
  "append with create and after": {
    retryable: true,
    call: (s, id) => s.append(id, [grown, m3], { create: true, after: "m1" }),
    after: { messages: [m1, grown, m3] },
  },
  replaceMessages: {
    // Whoever repeats it late may overwrite what others have appended.
    retryable: false,
    call: (s, id) => s.replaceMessages(id, [m3, m1]),
    after: { messages: [m3, m1] },
  },
  "setPhase without from": {
    retryable: true,
    call: (s, id) => s.setPhase(id, "review"),
    after: { phase: "review" },
  },
  "mergeMetadata without ifMatch": {
    retryable: true,
    call: (s, id) => s.mergeMetadata(id, { old: null, new: { deep: [1, null] } }),
    after: { metadata: { kept: true, new: { deep: [1, null] } } },
  },
};

/** On an id that nobody has. */
const onNothing: Record<string, Case> = {
  "append with create": {
    retryable: true,
    call: (s, id) => s.append(id, m1, { create: true }),
    after: { messages: [m1] },
  },
  "append with create and after: null": {
    retryable: true,
    call: (s, id) => s.append(id, [m1, m3], { create: true, after: null }),
    after: { messages: [m1, m3] },
  },
};

describe.each(Object.keys(OPEN))("%s", (driver) => {
  describe.each(LOSSES)("when the connection is cut and %s is lost", (loss) => {
    const open = OPEN[driver] as () => Promise<Database>;

    /** Makes the call, whose connection is cut, and then makes it again. */
    async function cutAndRepeat(
      { retryable, call, after }: Case,
      existing: Content | undefined,
    ): Promise<void> {
      const db = await open();
      const owner = newUser();
      const id = randomUUID();
      const look = forUser(direct, owner);
      if (existing) await look.create({ id, ...existing } as never);
      const sessions = forUser(db, owner);
      // The connection is made, and where it is a driver's way, the statement prepared.
      await sessions.count();
      const content = async () => {
        const session = await look.get(id);
        return session && { phase: session.phase, messages: session.messages, metadata: session.metadata };
      };
      const expected = { phase: "setup", metadata: {}, messages: [], ...existing, ...after };

      const { committed, cuts } = proxy;
      proxy.lose(loss);
      const error = await errorOf(call(sessions, id));
      expect(error).toMatchObject({ code: "unavailable", retryable });
      expect(error.message).toMatch(/whether the call took effect is unknown/);
      expect(proxy.cuts - cuts).toBe(1);
      expect(await content()).toEqual(loss === "the answer" ? expected : (existing ?? null));

      expect(await call(sessions, id)).toMatchObject({ id });
      expect(await content()).toEqual(expected);
      expect(await look.count()).toBe(1);
      // Neither the driver nor this package sends a write again by itself.
      expect(proxy.committed - committed).toBe(loss === "the answer" ? 2 : 1);
    }

    it.each(Object.keys(onExisting))("%s, repeated, leaves one copy of everything", (name) =>
      cutAndRepeat(onExisting[name] as Case, before),
    );

    it.each(Object.keys(onNothing))("%s of a new session, repeated, leaves one copy of everything", (name) =>
      cutAndRepeat(onNothing[name] as Case, undefined),
    );
  });
});
