import { randomUUID } from "node:crypto";
import type { defineJourney, JourneyMessage, JourneyMetadata, UserSessions } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { type JourneyTable, journeySessions } from "../../src/schema.js";
import { answerOf, first } from "./answer.js";
import { text } from "./messages.js";
import { chats, createChats, createWholeChats } from "./own-table.js";

export type Sessions = UserSessions<JourneyMessage, JourneyMetadata, string>;
type Chats = UserSessions<JourneyMessage, JourneyMetadata, string, typeof chats>;
export type Verb = Exclude<keyof Sessions, "replies">;

const ORDERS = ["created", "updated"] as const;

/** What a case is called with; `conversation` makes it. */
export interface Given {
  /** The owner's session: the messages m1 and m2, phase "setup", metadata {a: 1}. */
  id: string;
  revision: string;
  /** An id that nobody has yet. */
  newId: string;
  /** The session is on the page after each. */
  cursors: Partial<Record<(typeof ORDERS)[number], string>>;
}

type Cases<V extends Verb> = Record<string, (given: Given) => Parameters<Sessions[V]>>;
type ChatCases<V extends Verb> = Record<string, (given: Given) => Parameters<Chats[V]>>;

/** What a new session of a table must be given of its own columns. */
type NewOwn = (given: Given) => Record<string, unknown>;

/** The place of the options among the arguments, which are the last if there are any. */
type OptionsOf<V extends Verb> =
  Required<Parameters<Sessions[V]>> extends [...infer Before, infer Last]
    ? Last extends string
      ? null
      : Before["length"]
    : null;

/** The calls of one verb by their names, each with its arguments; those that may be repeated after a timeout, and those that may not. */
type VerbCases<V extends Verb> = { writes: boolean; options: OptionsOf<V> } & (
  | { repeatable: Cases<V>; notRepeatable?: Cases<V> }
  | { repeatable?: never; notRepeatable: Cases<V> }
);

/**
 * Every verb with every option that makes another statement of it, in an order in which the last leaves
 * nothing behind. Tests of what holds for every verb read it. Every statement is sent by a case
 * (test/queries/one-statement.test.ts).
 *
 * @param newOwn undefined for the default table
 */
const verbsOf = (newOwn?: NewOwn): { [V in Verb]: VerbCases<V> } => ({
  append: {
    writes: true,
    options: 2,
    repeatable: {
      append: ({ id }) => [id, text("m3")],
      "append that replaces": ({ id }) => [id, text("m2", "text of m2, grown")],
      "append of several": ({ id }) => [id, [text("m2", "text of m2, grown"), text("m3")]],
      "append after": ({ id }) => [id, text("m3"), { after: "m2" }],
      "append of several after": ({ id }) => [id, [text("m2", "grown"), text("m3")], { after: "m1" }],
      "append leaveRoom": ({ id }) => [id, text("m3"), { leaveRoom: true }],
      "append create": (given) => [given.id, text("m3"), { create: newOwn?.(given) ?? true }],
      "append create of several": (given) => [
        given.id,
        [text("m3"), text("m4")],
        { create: newOwn?.(given) ?? true },
      ],
      "append create, a new session": (given) => [
        given.newId,
        text("m1"),
        { create: newOwn?.(given) ?? true, after: null },
      ],
      "append create of several, a new session": (given) => [
        given.newId,
        [text("m1"), text("m2")],
        { create: newOwn?.(given) ?? true, after: null },
      ],
      "append create with metadata": (given) => [
        given.id,
        text("m3"),
        { create: { metadata: { a: 2 }, ...newOwn?.(given) } },
      ],
      "append create with metadata, a new session": (given) => [
        given.newId,
        text("m1"),
        { create: { metadata: { a: 1 }, ...newOwn?.(given) } },
      ],
    },
    notRepeatable: {
      "append from": ({ id }) => [id, text("m3"), { from: "m2" }],
      "append from after": ({ id }) => [id, text("m3"), { from: "m2", after: "m2" }],
      "append ifRevision": ({ id, revision }) => [id, text("m3"), { ifRevision: revision }],
      "append create ifRevision": (given) => [
        given.id,
        text("m3"),
        { create: newOwn?.(given) ?? true, ifRevision: given.revision },
      ],
    },
  },
  create: {
    writes: true,
    options: 0,
    notRepeatable: {
      create: (given) => [
        {
          id: given.newId,
          phase: "setup",
          messages: [text("m1")],
          metadata: { a: 1 },
          ...newOwn?.(given),
        },
      ],
    },
  },
  get: { writes: false, options: null, repeatable: { get: ({ id }) => [id] } },
  // By own columns, which the default table has none of.
  getBy: { writes: false, options: 0, repeatable: {} },
  messages: {
    writes: false,
    options: 1,
    repeatable: {
      messages: ({ id }) => [id],
      "messages before": ({ id }) => [id, { limit: 1, before: "m2" }],
    },
  },
  latest: { writes: false, options: null, repeatable: { latest: () => [] } },
  list: {
    writes: false,
    options: 0,
    repeatable: Object.assign(
      {},
      ...ORDERS.map((orderBy): Cases<"list"> => {
        const options = { orderBy, limit: 1 };
        return {
          [`list by ${orderBy}`]: () => [options],
          [`list by ${orderBy} with metadata`]: () => [{ ...options, metadata: { a: 1 } }],
          [`list by ${orderBy} in a phase`]: () => [{ ...options, phase: "setup" }],
          [`list by ${orderBy}, the next page`]: ({ cursors }) => [{ ...options, cursor: cursors[orderBy] }],
          [`list by ${orderBy} in a phase, the next page`]: ({ cursors }) => [
            { ...options, phase: "setup", cursor: cursors[orderBy] },
          ],
          [`list by ${orderBy} in a phase with metadata`]: () => [
            { ...options, phase: "setup", metadata: { a: 1 } },
          ],
          [`list by ${orderBy} with metadata, the next page`]: ({ cursors }) => [
            { ...options, metadata: { a: 1 }, cursor: cursors[orderBy] },
          ],
          [`list by ${orderBy} in a phase with metadata, the next page`]: ({ cursors }) => [
            { ...options, phase: "setup", metadata: { a: 1 }, cursor: cursors[orderBy] },
          ],
        };
      }),
    ),
  },
  count: { writes: false, options: null, repeatable: { count: () => [] } },
  search: { writes: false, options: 1, repeatable: { search: () => ["TEXT of m", { limit: 1 }] } },
  export: { writes: false, options: null, repeatable: { export: () => [] } },
  update: {
    writes: true,
    options: 2,
    repeatable: {
      "update of the phase": ({ id }) => [id, { phase: "review" }],
      "update of metadata": ({ id }) => [id, { metadata: { a: 2 } }],
      "update of both": ({ id }) => [id, { phase: "review", metadata: { a: null } }],
    },
    notRepeatable: {
      "update ifRevision": ({ id, revision }) => [id, { phase: "review" }, { ifRevision: revision }],
    },
  },
  setPhase: {
    writes: true,
    options: 2,
    repeatable: { setPhase: ({ id }) => [id, "review"] },
    notRepeatable: {
      "setPhase from": ({ id }) => [id, "review", { from: "setup" }],
      "setPhase ifRevision": ({ id, revision }) => [id, "review", { ifRevision: revision }],
    },
  },
  mergeMetadata: {
    writes: true,
    options: 2,
    repeatable: {
      mergeMetadata: ({ id }) => [id, { a: 2 }],
      "mergeMetadata deep": ({ id }) => [id, { a: { b: 1 } }, { deep: true }],
      "mergeMetadata of keys named like preconditions": ({ id }) => [id, { a: null, from: 1, ifMatch: {} }],
    },
    notRepeatable: {
      "mergeMetadata ifMatch": ({ id }) => [id, { a: 2 }, { ifMatch: { a: 1 } }],
      "mergeMetadata ifRevision": ({ id, revision }) => [id, { a: 2 }, { ifRevision: revision }],
    },
  },
  replaceMessages: {
    writes: true,
    options: 2,
    notRepeatable: {
      replaceMessages: ({ id }) => [id, [text("m3"), text("m1")]],
      "replaceMessages ifRevision": ({ id, revision }) => [id, [], { ifRevision: revision }],
    },
  },
  truncate: {
    writes: true,
    options: 1,
    notRepeatable: {
      truncate: ({ id }) => [id, { from: "m2" }],
      "truncate ifRevision": ({ id, revision }) => [id, { from: "m1", ifRevision: revision }],
    },
  },
  fork: {
    writes: true,
    options: 1,
    notRepeatable: {
      fork: (given) => (newOwn ? [given.id, { set: newOwn(given) }] : [given.id]),
      "fork through": (given) => [
        given.id,
        { through: "m1", id: given.newId, ...(newOwn && { set: newOwn(given) }) },
      ],
    },
  },
  delete: {
    writes: true,
    options: 1,
    repeatable: {
      delete: ({ id }) => [id],
      // Repeated, it finds no session, which is no conflict.
      "delete ifRevision": ({ id, revision }) => [id, { ifRevision: revision }],
    },
  },
  watch: { writes: false, options: 1, repeatable: { watch: ({ id }) => [id] } },
  deleteAll: { writes: true, options: null, repeatable: { deleteAll: () => [] } },
});

/** A new chat: its run is of its owner's alone. */
const newChat = ({ newId }: Given) => ({ runId: newId });
/** Values of own columns of each kind. */
const OWN = {
  orgId: "Org 1",
  pinned: true,
  stage: "it's live" as const,
  tags: ["a", "NULL", ""],
  results: { a: ["1"] },
  budget: "123456789012345678901234567890.0123456789",
  tokens: 2n ** 62n,
  dueAt: new Date("2026-01-02T03:04:05.678Z"),
  startsAt: "2026-01-02 03:04:05.678901",
  day: "2026-01-02",
  digest: new Uint8Array([0, 92, 255]),
};

/** The cases of own columns. The session of `given` has OWN, and its id as its run. */
const OWN_CASES: { [V in Verb]?: { repeatable?: ChatCases<V>; notRepeatable?: ChatCases<V> } } = {
  append: {
    repeatable: {
      "append create with own columns": ({ id }) => [id, text("m3"), { create: { runId: id, ...OWN } }],
      "append create of several with own columns, a new session": ({ newId }) => [
        newId,
        [text("m1"), text("m2")],
        { create: { runId: newId, ...OWN, metadata: { a: 1 } } },
      ],
    },
  },
  create: {
    notRepeatable: {
      "create with own columns": ({ newId }) => [{ id: newId, runId: newId, ...OWN }],
    },
  },
  getBy: {
    repeatable: {
      getBy: ({ id }) => [{ runId: id }],
      "getBy of each kind": ({ id }) => [
        { runId: [id, "x"], stage: ["draft", OWN.stage], touched: [null, 7] },
      ],
    },
  },
  list: {
    repeatable: Object.assign(
      {},
      ...ORDERS.map((orderBy): ChatCases<"list"> => {
        const options = { orderBy, limit: 1 };
        const { orgId, pinned, budget, tokens, dueAt, day, tags, digest } = OWN;
        return {
          [`list by ${orderBy} where`]: () => [{ ...options, where: { orgId } }],
          [`list by ${orderBy} where each value`]: () => [
            { ...options, where: { pinned, budget, tokens, dueAt, day, tags, digest } },
          ],
          [`list by ${orderBy} where any of several`]: () => [{ ...options, where: { orgId: ["x", orgId] } }],
          [`list by ${orderBy} where any of several or null`]: () => [
            { ...options, where: { orgId: [null, orgId] } },
          ],
          [`list by ${orderBy} where, in a phase with metadata, the next page`]: ({ cursors }) => [
            {
              ...options,
              where: { orgId, stage: ["done", OWN.stage] },
              phase: "setup",
              metadata: { a: 1 },
              cursor: cursors[orderBy],
            },
          ],
        };
      }),
      {
        "list where null": () => [{ where: { code: null } }],
      } satisfies ChatCases<"list">,
    ),
  },
  update: {
    repeatable: {
      "update of own columns": ({ id }) => [id, { ...OWN, stage: "done", orgId: null, code: "a'\\\"b" }],
      "update of everything": ({ id }) => [
        id,
        { phase: "review", metadata: { b: 2 }, pinned: false, tags: [] },
      ],
    },
    notRepeatable: {
      "update of own columns ifRevision": ({ id, revision }) => [
        id,
        { pinned: false },
        { ifRevision: revision },
      ],
    },
  },
  fork: {
    notRepeatable: {
      "fork set": ({ id, newId }) => [id, { set: { runId: newId, orgId: null, stage: "done", tags: [] } }],
    },
  },
};

export interface Case {
  verb: Verb;
  name: string;
  writes: boolean;
  /** Whether the error of a call whose outcome is unknown says that it may be repeated. */
  retryable: boolean;
  /** The place of the options among the arguments. */
  options: number | null;
  /** Whether it names the owner's session. */
  onSession: boolean;
  /** Whether it makes the session that it names, or that is named `newId`, where nobody has the id. */
  creates: boolean;
  takesRevision: boolean;
  args(given: Given): unknown[];
  call(sessions: Sessions, given: Given): Promise<unknown>;
}

/** A call with any arguments; an iterable is read to its end, but for that of watch, which has none. */
export async function callOf(sessions: Sessions, verb: Verb, args: unknown[]): Promise<unknown> {
  const called = (sessions[verb] as (...args: unknown[]) => unknown)(...args);
  return verb === "watch" ? first(called as AsyncIterable<unknown>) : answerOf(called);
}

/** The arguments with `word` in all that a user writes: messages and their ids, phases, searched text, metadata. */
export function withWord(word: string, given: Given, args: unknown): unknown[] {
  const notWritten = [given.id, given.newId, given.revision, "user", ...ORDERS];
  const reworded = (value: unknown): unknown => {
    if (typeof value === "string") return notWritten.includes(value) ? value : `${word} ${value}`;
    if (Array.isArray(value)) return value.map(reworded);
    if (typeof value !== "object" || value === null) return value;
    const { a, ...fields } = value as Record<string, unknown>;
    const written = { [word]: a === null ? null : { [word]: [word] } };
    const isWritten = "a" in value || "parts" in value || "type" in value;
    return {
      ...Object.fromEntries(Object.entries(fields).map(([key, one]) => [key, reworded(one)])),
      ...(isWritten && written),
      ...("parts" in value && { metadata: written }),
    };
  };
  return reworded(args) as unknown[];
}

/** Of a session that nobody has. */
export const unstored = (): Given => ({
  id: randomUUID(),
  newId: randomUUID(),
  revision: "2026-01-01T00:00:00",
  cursors: {},
});

interface AnyVerb {
  writes: boolean;
  options: number | null;
  repeatable?: Record<string, Case["args"]>;
  notRepeatable?: Record<string, Case["args"]>;
}

const casesOf = (verbs: Record<string, AnyVerb>): readonly Case[] =>
  Object.entries(verbs).flatMap(([key, { writes, options, repeatable = {}, notRepeatable = {} }]) => {
    const verb = key as Verb;
    return Object.entries({ ...repeatable, ...notRepeatable }).map(([name, args]): Case => {
      const given = unstored();
      const sample = args(given);
      const { create, ifRevision } = Object(options === null ? undefined : sample[options]);
      const takesRevision = ifRevision !== undefined;
      return {
        verb,
        name,
        writes,
        options,
        retryable: name in repeatable,
        onSession: sample[0] === given.id,
        // No new session has the revision.
        creates: verb === "create" || (Boolean(create) && !takesRevision),
        takesRevision,
        args,
        call: (sessions, given) => callOf(sessions, verb, args(given)),
      };
    });
  });

/** The verbs on the default table. */
export const CASES = casesOf(verbsOf());

const chatVerbs: Record<string, AnyVerb> = verbsOf(newChat);
const withOwn = Object.entries(chatVerbs).map(([name, one]): [string, AnyVerb] => {
  const own = OWN_CASES[name as Verb] as Partial<AnyVerb> | undefined;
  const all = (kind: "repeatable" | "notRepeatable") => ({ ...one[kind], ...own?.[kind] });
  return [name, { ...one, repeatable: all("repeatable"), notRepeatable: all("notRepeatable") }];
});

/** Makes the session that the cases need, the only one of its owner. */
async function conversationOf(
  sessions: Sessions,
  ownOf: (id: string) => Record<string, unknown>,
): Promise<Given> {
  const newId = randomUUID();
  const { id, revision } = await sessions.create({
    id: newId,
    messages: [text("m1"), text("m2")],
    metadata: { a: 1 },
    ...ownOf(newId),
  });
  const cursors: Given["cursors"] = {};
  // The other one comes first in the lists, though it were made at the same moment.
  const otherId = randomUUID().replace(/^.{8}/, "ffffffff");
  const { id: other } = await sessions.create({ id: otherId, ...ownOf(otherId) });
  for (const orderBy of ORDERS) {
    const { nextCursor } = await sessions.list({ limit: 1, orderBy });
    if (nextCursor === undefined) throw new Error("there is no next page");
    cursors[orderBy] = nextCursor;
  }
  await sessions.delete(other);
  return { id, revision, newId: randomUUID(), cursors };
}

export const conversation = (sessions: Sessions) => conversationOf(sessions, () => ({}));

/** A table with the verbs as they are called on it. */
export interface Catalogue {
  table: JourneyTable;
  /** The table as SQL names it. */
  sqlName: string;
  /** All tables of the package. */
  tableNames: string[];
  cases: readonly Case[];
  conversation(sessions: Sessions): Promise<Given>;
  /** What a new session needs beside what the package knows. */
  newOwn: NewOwn;
  /**
   * Creates the table in a migrated database.
   *
   * @param isWhole whether with all optional tables, as wholeDatabase has them
   */
  createIn(db: Database, isWhole?: boolean): Promise<void>;
  forUser(
    define: typeof defineJourney,
  ): (...of: Parameters<ReturnType<typeof defineJourney>["forUser"]>) => Sessions;
}

/** The default table, and one of an application's with own columns. */
export const CATALOGUES: Record<"the default table" | "a table with own columns", Catalogue> = {
  "the default table": {
    table: journeySessions,
    sqlName: "journey_sessions",
    tableNames: ["journey_sessions", "journey_messages", "journey_replies", "journey_reply_chunks"],
    cases: CASES,
    conversation,
    newOwn: () => ({}),
    createIn: async () => {},
    forUser: (define) => define().forUser,
  },
  "a table with own columns": {
    table: chats,
    sqlName: "app.chats",
    tableNames: ["app.chats", "app.chats_messages", "app.chats_replies", "app.chats_reply_chunks"],
    cases: casesOf(Object.fromEntries(withOwn)),
    conversation: (sessions) => conversationOf(sessions, (id) => ({ runId: id, ...OWN })),
    newOwn: newChat,
    createIn: (db, isWhole = false) => (isWhole ? createWholeChats(db) : createChats(db)),
    forUser: (define) => define({ table: chats }).forUser as never,
  },
};
