import { format, inspect } from "node:util";
import { forUser } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { CASES, type Case, callOf, type Given, type Sessions, type Verb, withWord } from "./verbs.js";

/** Stands in every input: text, keys, and ids in their form. */
export const CANARY = "canary-b1rd";
export const CANARY_ID = "ca7a47b1-4d00-4000-8000-ca7a47b14d00";
export const OTHER_ID = "ca7a47b1-4d00-4000-8000-ca7a47b14d01";
const REVISION = "1907-04-07T07:07:07.070707";
export const CANARIES = [CANARY, CANARY_ID, OTHER_ID, "ca7a47b1", REVISION, "070707"];

const GIVEN: Given = { id: CANARY_ID, newId: OTHER_ID, revision: REVISION, cursors: {} };

export const ownerOf = (db: Database, options?: object): Sessions => forUser(db, `user ${CANARY}`, options);

const argsOf = ({ args }: Case) => withWord(CANARY, GIVEN, args(GIVEN));

/** Every case of every verb, with the canary in every input. */
export const valid = CASES.map((one) => ({
  ...one,
  call: (sessions: Sessions) => callOf(sessions, one.verb, argsOf(one)),
}));

const nested = JSON.parse(`${`{"${CANARY}":`.repeat(600)}1${"}".repeat(600)}`);
const fails = () => {
  throw new Error(CANARY);
};
/** Values that are refused, each with the canary in it. */
export const wrong: Record<string, unknown> = {
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

/** Whether a value of this kind is right in the place of another. U+0000 is replaced in what is searched for. */
function fits(kind: string, place: string, right: unknown): boolean {
  if (kind === "text") return typeof right === "string" && right.startsWith(CANARY);
  if (kind === "text with U+0000") return place === "search 0";
  return kind === "object" && Object.hasOwn(Object(right), CANARY) && !Object.hasOwn(Object(right), "parts");
}

/** Each argument, each option and each part of a message: the value that is right there, and the arguments with another in its place. */
const places = new Map<string, { verb: Verb; right: unknown; args(value: unknown): unknown[] }>();
for (const one of CASES) {
  const { verb, options } = one;
  const args = argsOf(one);
  const add = (place: unknown, right: unknown, change: (value: unknown) => unknown[]) => {
    const name = `${verb} ${place}`;
    if (!places.has(name)) places.set(name, { verb, right, args: change });
  };
  for (const [n, right] of args.entries()) add(n, right, (value) => args.with(n, value));
  const given = Object(options === null ? undefined : args[options]);
  for (const [key, right] of Object.entries(given))
    add(key, right, (value) => args.with(options as number, { ...given, [key]: value }));
  if (one.name !== "append") continue;
  const message = Object(args[1]);
  for (const key of ["id", "role", "parts"])
    add(`message's ${key}`, message[key], (value) => args.with(1, { ...message, [key]: value }));
  add("message's part", undefined, (value) => args.with(1, { ...message, parts: [value] }));
}

/** Every argument and option, wrong in every way; the other arguments are right. */
export const invalid = [...places].flatMap(([place, { verb, right, args }]) =>
  Object.entries(wrong)
    .filter(([kind]) => !fits(kind, place, right))
    .map(([kind, value]) => ({
      name: `${place}: ${kind}`,
      call: (sessions: Sessions) => callOf(sessions, verb, args(value)),
    })),
);

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
