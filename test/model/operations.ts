import fc from "fast-check";
import type { forUser, JourneyMessage } from "../../src/index.js";
import type { Expected, Model, Same } from "./model.js";

type Sessions = ReturnType<typeof forUser>;

/** One call: what is sent, and what the model says of it. `made` is the id that the package chose. */
export interface Call {
  method: keyof Sessions;
  args: unknown[];
  send: (sessions: Sessions) => Promise<unknown>;
  expect: (model: Model, owner: string, made: string) => Expected;
}

/** Ids, revisions and messages that fit what is stored now, chosen by numbers when the call is made. */
export interface Choices {
  /** Of the owner's sessions mostly; else of another's, of nobody's, or in capitals. */
  session: (which: Which) => string;
  revision: (id: string, stale: boolean) => string;
  /** Of the session's messages mostly; else any. */
  message: (id: string, pointer: Pointer) => string;
}
type Pointer = { kind: "some" | "last" | "any"; at: number; any: string };
export type Which = { kind: "own" | "foreign" | "unknown" | "capitals"; at: number };

/** Text with what programs get wrong. Stored, U+0000 and lone surrogates are U+FFFD. */
const anyText = fc.string({
  unit: fc.constantFrom(
    "a",
    "B",
    "é",
    "e\u0301",
    "\0",
    "\ud800",
    "\udc00",
    "😀",
    "%",
    "_",
    "\\",
    "'",
    '"',
    "$1",
    "\n",
  ),
  maxLength: 8,
});
const storable = (text: string) => text.toWellFormed().replaceAll("\0", "\ufffd");
const key = fc.constantFrom("a", "A", "b", "", "__proto__", "constructor", "é", "e\u0301", "a.b");
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    anyText.map(storable),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
    fc.boolean(),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 3 }).map((entries) => Object.fromEntries(entries)),
  ),
})).value;
const metadata = fc
  .array(fc.tuple(key, json), { maxLength: 4 })
  .map((entries) => Object.fromEntries(entries));
const patch = fc
  .array(fc.tuple(key, fc.option(json)), { maxLength: 4 })
  .map((entries) => Object.fromEntries(entries) as Record<string, unknown>);

const messageId = fc.constantFrom(
  "m1",
  "m2",
  "m3",
  "m4",
  "M1",
  "m1 ",
  "m%",
  "m_",
  "é",
  "e\u0301",
  "1",
  "null",
);
const pointer: fc.Arbitrary<Pointer> = fc.record({
  kind: fc.constantFrom("some", "some", "last", "any"),
  at: fc.nat({ max: 1_000_000 }),
  any: messageId,
});
const message: fc.Arbitrary<JourneyMessage> = fc.record({
  id: messageId,
  role: fc.constantFrom("user", "assistant", "system"),
  parts: fc.array(
    fc.record({ type: fc.constantFrom("text", "data-x"), text: anyText.map(storable), data: json }),
    {
      minLength: 1,
      maxLength: 2,
    },
  ),
});
const messages = (minLength: number) =>
  fc.uniqueArray(message, { minLength, maxLength: 4, selector: ({ id }) => id });
const phase = fc.constantFrom("setup", "review", "Setup", "setup ", "done");

const which: fc.Arbitrary<Which> = fc.record({
  kind: fc.oneof(
    { weight: 12, arbitrary: fc.constant("own" as const) },
    { weight: 2, arbitrary: fc.constant("foreign" as const) },
    { weight: 1, arbitrary: fc.constant("unknown" as const) },
    { weight: 1, arbitrary: fc.constant("capitals" as const) },
  ),
  at: fc.nat({ max: 1_000_000 }),
});
/** An option that is mostly not there. */
const rarely = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
/** Whether to ask for a revision, and for an old one. */
const asked = rarely(fc.boolean());

const defined = (options: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

/** Every public method with every option, each as an arbitrary of calls. */
export const operations: Record<keyof Sessions, fc.Arbitrary<(choices: Choices, same: Same) => Call>> = {
  append: fc
    .record({
      which,
      given: messages(1),
      create: rarely(fc.boolean()),
      after: rarely(fc.option(pointer)),
      from: rarely(pointer),
      asked,
    })
    .map(({ which, given, create, after, from, asked }) => ({ session, revision, message }) => {
      const id = session(which);
      const options = defined({
        create,
        after: after && message(id, after),
        from: from && message(id, from),
        ifRevision: asked === undefined ? undefined : revision(id, asked),
      });
      return {
        method: "append",
        args: [id, given, options],
        send: (sessions) =>
          sessions.append(id, given.length === 1 ? (given[0] as JourneyMessage) : given, options),
        expect: (model, owner) => model.append(owner, id, given, options),
      };
    }),
  create: fc
    .record({
      which: rarely(which),
      phase: rarely(phase),
      messages: rarely(messages(0)),
      metadata: rarely(metadata),
    })
    .map(({ which, ...rest }) => ({ session }) => {
      const given = defined({ ...rest, id: which && session(which) });
      return {
        method: "create",
        args: [given],
        send: (sessions) => sessions.create(given),
        expect: (model, owner, made) => model.create(owner, given, made),
      };
    }),
  get: which.map((which) => ({ session }) => {
    const id = session(which);
    return {
      method: "get",
      args: [id],
      send: (s) => s.get(id),
      expect: (model, owner) => model.get(owner, id),
    };
  }),
  messages: fc
    .record({ which, limit: rarely(fc.integer({ min: 1, max: 5 })), before: rarely(pointer) })
    .map(({ which, limit, before }) => ({ session, message }) => {
      const id = session(which);
      const options = defined({ limit, before: before && message(id, before) });
      return {
        method: "messages",
        args: [id, options],
        send: (sessions) => sessions.messages(id, options),
        expect: (model, owner) => model.messages(owner, id, options),
      };
    }),
  latest: fc.constant(() => ({
    method: "latest",
    args: [],
    send: (sessions) => sessions.latest(),
    expect: (model, owner) => model.latest(owner),
  })),
  list: fc
    .record({
      limit: rarely(fc.integer({ min: 1, max: 4 })),
      orderBy: rarely(fc.constantFrom("created" as const, "updated" as const)),
      phase: rarely(phase),
    })
    .map((rest) => () => {
      const options = defined(rest);
      return {
        method: "list",
        args: [options],
        send: async (sessions) => {
          const pages: unknown[] = [];
          let cursor: string | undefined;
          do {
            const page = await sessions.list({ ...options, cursor });
            pages.push(page.sessions);
            cursor = page.nextCursor;
          } while (cursor);
          return pages;
        },
        expect: (model, owner) => model.list(owner, options),
      };
    }),
  count: fc.constant(() => ({
    method: "count",
    args: [],
    send: (sessions) => sessions.count(),
    expect: (model, owner) => model.count(owner),
  })),
  setPhase: fc
    .record({ which, phase, from: rarely(phase), asked })
    .map(({ which, phase, from, asked }) => ({ session, revision }) => {
      const id = session(which);
      const options = defined({ from, ifRevision: asked === undefined ? undefined : revision(id, asked) });
      return {
        method: "setPhase",
        args: [id, phase, options],
        send: (sessions) => sessions.setPhase(id, phase, options),
        expect: (model, owner) => model.setPhase(owner, id, phase, options),
      };
    }),
  mergeMetadata: fc
    .record({ which, patch, ifMatch: rarely(patch), asked })
    .map(({ which, patch, ifMatch, asked }) => ({ session, revision }, same) => {
      const id = session(which);
      const options = defined({ ifMatch, ifRevision: asked === undefined ? undefined : revision(id, asked) });
      return {
        method: "mergeMetadata",
        args: [id, patch, options],
        send: (sessions) => sessions.mergeMetadata(id, patch, options),
        expect: (model, owner) => model.mergeMetadata(owner, id, patch, options, same),
      };
    }),
  replaceMessages: fc
    .record({ which, given: messages(0), asked })
    .map(({ which, given, asked }) => ({ session, revision }) => {
      const id = session(which);
      const options = defined({ ifRevision: asked === undefined ? undefined : revision(id, asked) });
      return {
        method: "replaceMessages",
        args: [id, given, options],
        send: (sessions) => sessions.replaceMessages(id, given, options),
        expect: (model, owner) => model.replaceMessages(owner, id, given, options),
      };
    }),
  truncate: fc
    .record({ which, from: messageId, asked })
    .map(({ which, from, asked }) => ({ session, revision }) => {
      const id = session(which);
      const ifRevision = asked === undefined ? undefined : revision(id, asked);
      const options = { from, ...defined({ ifRevision }) };
      return {
        method: "truncate",
        args: [id, options],
        send: (sessions) => sessions.truncate(id, options),
        expect: (model, owner) => model.truncate(owner, id, options),
      };
    }),
  fork: fc
    .record({ which, through: rarely(pointer), chosen: rarely(which) })
    .map(({ which, through, chosen }) => ({ session, message }) => {
      const id = session(which);
      const options = defined({ through: through && message(id, through), id: chosen && session(chosen) });
      return {
        method: "fork",
        args: [id, options],
        send: (sessions) => sessions.fork(id, options),
        expect: (model, owner, made) => model.fork(owner, id, options, made),
      };
    }),
  delete: fc.record({ which, asked }).map(({ which, asked }) => ({ session, revision }) => {
    const id = session(which);
    const options = defined({ ifRevision: asked === undefined ? undefined : revision(id, asked) });
    return {
      method: "delete",
      args: [id, options],
      send: (sessions) => sessions.delete(id, options),
      expect: (model, owner) => model.delete(owner, id, options),
    };
  }),
  deleteAll: fc.constant(() => ({
    method: "deleteAll",
    args: [],
    send: (sessions) => sessions.deleteAll(),
    expect: (model, owner) => model.deleteAll(owner),
  })),
};
