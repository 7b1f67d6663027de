import { format, inspect } from "node:util";
import { forUser, type UserSessions } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { all } from "./answer.js";

/** Stands in every input: text, keys, and ids in their form. */
export const CANARY = "canary-b1rd";
export const CANARY_ID = "ca7a47b1-4d00-4000-8000-ca7a47b14d00";
export const OTHER_ID = "ca7a47b1-4d00-4000-8000-ca7a47b14d01";
const REVISION = "1907-04-07T07:07:07.070707";
export const CANARIES = [CANARY, CANARY_ID, OTHER_ID, "ca7a47b1", REVISION, "070707"];

// biome-ignore lint/suspicious/noExplicitAny: most inputs here have a type that they should not have
type Any = any;
export type Sessions = UserSessions<Any, Any, string>;

const message = (id = CANARY) => ({
  id,
  role: "user",
  parts: [{ type: CANARY, text: CANARY, [CANARY]: { [CANARY]: [CANARY] } }],
  metadata: { [CANARY]: CANARY },
  [CANARY]: CANARY,
});
const metadata = { [CANARY]: CANARY, deep: { [CANARY]: [CANARY] } };

export const ownerOf = (db: Database, options?: object): Sessions => forUser(db, `user ${CANARY}`, options);

/** Every method, valid, with the canary in every input. */
export const valid: Record<keyof Sessions, (sessions: Sessions) => Promise<unknown>> = {
  append: (s) => s.append(CANARY_ID, [message(), message(`${CANARY} 2`)], { create: true, after: null }),
  create: (s) => s.create({ id: CANARY_ID, phase: CANARY, messages: [message()], metadata }),
  get: (s) => s.get(CANARY_ID),
  messages: (s) => s.messages(CANARY_ID, { before: CANARY }),
  latest: (s) => s.latest(),
  list: (s) => s.list({ phase: CANARY }),
  count: (s) => s.count(),
  search: (s) => s.search(CANARY),
  export: (s) => all(s.export()),
  setPhase: (s) => s.setPhase(CANARY_ID, CANARY, { from: CANARY, ifRevision: REVISION }),
  mergeMetadata: (s) => s.mergeMetadata(CANARY_ID, metadata, { ifMatch: metadata, ifRevision: REVISION }),
  replaceMessages: (s) => s.replaceMessages(CANARY_ID, [message()], { ifRevision: REVISION }),
  truncate: (s) => s.truncate(CANARY_ID, { from: CANARY, ifRevision: REVISION }),
  fork: (s) => s.fork(CANARY_ID, { through: CANARY, id: OTHER_ID }),
  delete: (s) => s.delete(CANARY_ID, { ifRevision: REVISION }),
  deleteAll: (s) => s.deleteAll(),
};

const nested = JSON.parse(`${`{"${CANARY}":`.repeat(600)}1${"}".repeat(600)}`);
const fails = () => {
  throw new Error(CANARY);
};
/** Values that are refused, each with the canary in it. */
const wrong: Record<string, Any> = {
  text: CANARY,
  "text with U+0000": `${CANARY}\0`,
  "long text": CANARY.repeat(100),
  list: [CANARY],
  object: { [CANARY]: CANARY },
  symbol: Symbol(CANARY),
  function: { [CANARY]: () => CANARY }[CANARY],
  class: new (class {
    [CANARY] = CANARY;
  })(),
  "deep object": nested,
  getter: Object.defineProperty({}, "id", { enumerable: true, get: fails }),
  proxy: new Proxy({}, { get: fails, ownKeys: fails, getPrototypeOf: fails }),
  toJSON: { toJSON: fails },
  error: new Error(CANARY),
};

/** Every argument and option, wrong in every way; the other arguments are right. */
export const invalid: [name: string, call: (sessions: Sessions) => Promise<unknown>][] = Object.entries(
  wrong,
).flatMap(([kind, value]) => {
  const all: Record<string, (s: Sessions) => Promise<unknown>> = {
    "get id": (s) => s.get(value),
    "messages id": (s) => s.messages(value),
    "messages options": (s) => s.messages(CANARY_ID, value),
    "messages limit": (s) => s.messages(CANARY_ID, { limit: value }),
    "append id": (s) => s.append(value, message()),
    "append message": (s) => s.append(CANARY_ID, value),
    "append message id": (s) => s.append(CANARY_ID, { ...message(), id: kind === "text" ? "" : value }),
    "append role": (s) => s.append(CANARY_ID, { ...message(), role: value }),
    "append parts": (s) => s.append(CANARY_ID, { ...message(), parts: value }),
    "append part": (s) => s.append(CANARY_ID, { ...message(), parts: [value] }),
    "append options": (s) => s.append(CANARY_ID, message(), value),
    "append create": (s) => s.append(CANARY_ID, message(), { create: value }),
    "append ifRevision": (s) => s.append(CANARY_ID, message(), { ifRevision: value }),
    "append one id twice": (s) => s.append(CANARY_ID, [message(), message()]),
    create: (s) => s.create(kind === "list" ? value : { [CANARY]: value }),
    "create id": (s) => s.create({ id: value }),
    "create messages": (s) => s.create({ messages: [value] }),
    "create metadata": (s) => s.create({ metadata: kind === "object" ? nested : value }),
    "list cursor": (s) => s.list({ cursor: value }),
    "list orderBy": (s) => s.list({ orderBy: value }),
    "setPhase phase": (s) => s.setPhase(CANARY_ID, kind === "text" ? "" : value),
    "mergeMetadata patch": (s) => s.mergeMetadata(CANARY_ID, kind === "object" ? nested : value),
    "mergeMetadata ifMatch": (s) =>
      s.mergeMetadata(CANARY_ID, {}, { ifMatch: kind === "object" ? nested : value }),
    "replaceMessages messages": (s) => s.replaceMessages(CANARY_ID, kind === "list" ? [value] : value),
    "truncate options": (s) => s.truncate(CANARY_ID, value),
    "fork id": (s) => s.fork(CANARY_ID, { id: value }),
    "delete ifRevision": (s) => s.delete(CANARY_ID, { ifRevision: value }),
  };
  return Object.entries(all).map(([name, call]): [string, typeof call] => [`${name}: ${kind}`, call]);
});

/** Everything that a log, a debugger or a response may show of an error. */
export function shownOf(error: unknown): string {
  const own = (value: unknown, depth: number): string =>
    typeof value === "object" && value !== null && depth > 0
      ? Reflect.ownKeys(value)
          .map((key) => `${String(key)} ${own(Reflect.get(value, key), depth - 1)}`)
          .join("\n")
      : String(value);
  const { stack, message, cause } = error as Error;
  const looks = [true, false].map((showHidden) =>
    inspect(error, { showHidden, depth: Number.POSITIVE_INFINITY, getters: true, maxStringLength: null }),
  );
  return [
    ...looks,
    JSON.stringify(error),
    JSON.stringify({ error }),
    format("%o %O %s %j", error, error, error, error),
    own(error, 6),
    String(error),
    String(stack),
    message,
    String(cause),
  ].join("\n");
}

/** The canaries that it shows. */
export const leaks = (shown: string): string[] => CANARIES.filter((canary) => shown.includes(canary));
