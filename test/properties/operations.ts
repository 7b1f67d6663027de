import fc from "fast-check";
import type { forUser, JourneyMessage } from "../../src/index.js";
import { all, first } from "../support/answer.js";
import type { Verb } from "../support/verbs.js";
import {
  asked,
  defined,
  messages,
  metadata,
  ownOf,
  type Pointer,
  patch,
  phase,
  pointer,
  rarely,
  searched,
  type Which,
  whereOf,
  which,
} from "./arbitraries.js";
import type { Expected, Model, Same } from "./model.js";

export type Sessions = ReturnType<typeof forUser>;

/** One call: what is sent, and what the model says of it. `made` is the id that the package chose. */
export interface Call {
  method: Verb;
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
type Operation = fc.Arbitrary<(choices: Choices, same: Same) => Call>;
const isEmpty = (value: object) => Object.keys(value).length === 0;

/** Every public method with every option, each as an arbitrary of calls. */
export const operationsOf = (hasOwn: boolean): Record<Verb, Operation> => ({
  append: fc
    .record({
      which,
      given: messages(1),
      create: rarely(
        fc.oneof(
          fc.boolean(),
          fc
            .record({ metadata: rarely(metadata), own: ownOf(hasOwn) })
            .map(({ metadata, own }) => defined({ metadata, ...own })),
        ),
      ),
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
      own: ownOf(hasOwn),
    })
    .map(({ which, own, ...rest }) => ({ session }) => {
      const given = defined({ ...rest, ...own, id: which && session(which) });
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
  getBy: whereOf(hasOwn)
    .filter((where) => !hasOwn || !isEmpty(where))
    .map((where) => (_, same) => ({
      method: "getBy",
      args: [where],
      send: (sessions) => sessions.getBy(where as never),
      expect: (model, owner) => model.getBy(owner, where, same),
    })),
  update: fc
    .record({ which, phase: rarely(phase), patch: rarely(patch), own: ownOf(hasOwn), asked })
    .map(({ which, phase, patch, own, asked }) => ({ session, revision }) => {
      const id = session(which);
      const given = defined({ phase, metadata: patch, ...own });
      const changes = isEmpty(given) ? { phase: "review" } : given;
      const options = defined({ ifRevision: asked === undefined ? undefined : revision(id, asked) });
      return {
        method: "update",
        args: [id, changes, options],
        send: (sessions) => sessions.update(id, changes, options),
        expect: (model, owner) => model.update(owner, id, changes, options),
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
      where: rarely(whereOf(hasOwn)),
      metadata: rarely(metadata.map((all) => Object.fromEntries(Object.entries(all).slice(0, 1)))),
    })
    .map((rest) => (_, same) => {
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
        expect: (model, owner) => model.list(owner, options, same),
      };
    }),
  count: fc.constant(() => ({
    method: "count",
    args: [],
    send: (sessions) => sessions.count(),
    expect: (model, owner) => model.count(owner),
  })),
  search: fc
    .record({ text: searched, limit: rarely(fc.integer({ min: 1, max: 4 })) })
    .map(({ text, limit }) => () => {
      const options = defined({ limit });
      return {
        method: "search",
        args: [text, options],
        send: (sessions) => sessions.search(text, options),
        expect: (model, owner) => model.search(owner, text, options),
      };
    }),
  export: fc.constant(() => ({
    method: "export",
    args: [],
    send: (sessions) => all(sessions.export()),
    expect: (model, owner) => model.export(owner),
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
    .record({ which, patch, ifMatch: rarely(patch), deep: rarely(fc.boolean()), asked })
    .map(({ which, patch, ifMatch, deep, asked }) => ({ session, revision }, same) => {
      const id = session(which);
      const ifRevision = asked === undefined ? undefined : revision(id, asked);
      const options = defined({ ifMatch, deep, ifRevision });
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
    .record({ which, pointer, asked })
    .map(({ which, pointer, asked }) => ({ session, revision, message }) => {
      const id = session(which);
      const ifRevision = asked === undefined ? undefined : revision(id, asked);
      const options = { from: message(id, pointer), ...defined({ ifRevision }) };
      return {
        method: "truncate",
        args: [id, options],
        send: (sessions) => sessions.truncate(id, options),
        expect: (model, owner) => model.truncate(owner, id, options),
      };
    }),
  fork: fc
    .record({ which, through: rarely(pointer), chosen: rarely(which), own: ownOf(hasOwn) })
    .map(({ which, through, chosen, own }) => ({ session, message }) => {
      const id = session(which);
      const options = defined({
        through: through && message(id, through),
        id: chosen && session(chosen),
        set: isEmpty(own) ? undefined : own,
      });
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
  watch: fc.record({ which }).map(({ which }) => ({ session }) => {
    const id = session(which);
    return {
      method: "watch",
      args: [id],
      send: (sessions) => first(sessions.watch(id)),
      expect: (model, owner) => model.watch(owner, id),
    };
  }),
});
