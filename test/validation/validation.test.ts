import { describe, expect, it } from "vitest";
import { defineJourney, forUser, JourneyDbError } from "../../src/index.js";
import { VERBS } from "../../src/sessions/verbs.js";
import { all } from "../support/answer.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { text } from "../support/messages.js";
import { CATALOGUES, callOf, type Verb } from "../support/verbs.js";

const db = openPostgresJs(await migratedDatabase());
const owner = newUser();
// What is tested here is refused whatever its type, so the types are looked past.
// biome-ignore lint/suspicious/noExplicitAny: as above
const sessions: any = forUser(db, owner);
const { id } = await sessions.create({ messages: [text("m1")], metadata: { a: 1 } });
const before = await sessions.get(id);

const notAnId = "expected 8-4-4-4-12 hexadecimal digits";
const messageId = "expected 1 to 256 characters of well-formed text without U+0000";
const revision = "expected a revision that a session had, unchanged";
const secret = "what the user wrote";

type Refused = [call: string, () => Promise<unknown>, message: string];
const refused: Refused[] = [
  ["get an id that is none", () => sessions.get(secret), `id: ${notAnId}`],
  ["get without id", () => sessions.get(), "id: expected string"],
  ["get a number", () => sessions.get(7), "id: expected string"],
  ["get with braces", () => sessions.get(`{${id}}`), `id: ${notAnId}`],
  ["append null", () => sessions.append(id, null), "messages[0]: expected object"],
  ["append text", () => sessions.append(id, secret), "messages[0]: expected object"],
  [
    "append without message",
    () => sessions.append(id),
    "messages[0]: expected a JSON value, received undefined",
  ],
  ["append options null", () => sessions.append(id, text("x"), null), "options: expected object"],
  [
    "append create null",
    () => sessions.append(id, text("x"), { create: null }),
    "options.create: expected a boolean or an object with metadata and own columns",
  ],
  [
    "append create 'yes'",
    () => sessions.append(id, text("x"), { create: "yes" }),
    "options.create: expected a boolean or an object with metadata and own columns",
  ],
  ["append from null", () => sessions.append(id, text("x"), { from: null }), "options.from: expected string"],
  ["append after ''", () => sessions.append(id, text("x"), { after: "" }), `options.after: ${messageId}`],
  [
    "append after a lone surrogate",
    () => sessions.append(id, text("x"), { after: "\ud800" }),
    `options.after: ${messageId}`,
  ],
  [
    "append ifRevision ''",
    () => sessions.append(id, text("x"), { ifRevision: "" }),
    `options.ifRevision: ${revision}`,
  ],
  [
    "append ifRevision a Date's",
    () => sessions.append(id, text("x"), { ifRevision: before.updatedAt }),
    "options.ifRevision: expected string",
  ],
  [
    "append an unknown option",
    () => sessions.append(id, text("x"), { created: 1 }),
    'options: has a key that is not expected here: "created"',
  ],
  [
    "list with an option of another library",
    () => sessions.list({ offset: 1 }),
    'options: has a key that is not expected here: "offset"',
  ],
  [
    "four unknown options",
    () => sessions.setPhase(id, "review", { a: 1, $b_2: 2, C: 3, d: 4 }),
    'options: has a key that is not expected here: "a", "$b_2", "C"',
  ],
  ...[secret, "a b", "a\n\u001b[31m", "é", "a".repeat(41), "3", ""].map(
    (key): Refused => [
      `an unknown option that no one would write, ${JSON.stringify(key)}`,
      () => sessions.list({ [key]: 1 }),
      "options: has a key that is not expected here",
    ],
  ),
  [
    "deleteAll with options",
    () => sessions.deleteAll({ dryRun: true }),
    "deleteAll() takes no options; nothing was sent.",
  ],
  ["get with options", () => sessions.get(id, { oops: 1 }), "get(id) takes no options; nothing was sent."],
  ["latest with options", () => sessions.latest({}), "latest() takes no options; nothing was sent."],
  ["count with options", () => sessions.count(null), "count() takes no options; nothing was sent."],
  ["export with options", () => all(sessions.export({})), "export() takes no options; nothing was sent."],
  [
    "create with two sessions",
    () => sessions.create({}, {}),
    "create(session) takes no options; nothing was sent.",
  ],
  [
    "append with a fourth argument",
    () => sessions.append(id, text("x"), {}, { create: true }),
    "append(id, messages, options) takes no more arguments; nothing was sent.",
  ],
  [
    "append with a second message in place of options",
    () => sessions.append(id, text("x"), { ...text("y"), custom: secret }),
    "options: has a key that is not expected here",
  ],
  ["append an id with NUL", () => sessions.append(id, text(`${secret}\0`)), `messages[0].id: ${messageId}`],
  ["append a lone surrogate id", () => sessions.append(id, text("\ud800")), `messages[0].id: ${messageId}`],
  [
    "append without parts",
    () => sessions.append(id, { ...text("x"), parts: [] }),
    "messages[0].parts: expected at least 1 elements",
  ],
  [
    "append a part without type",
    () => sessions.append(id, [text("x"), { ...text("y"), parts: [{ text: secret }] }]),
    "messages[1].parts[0].type: expected string",
  ],
  [
    "append a role",
    () => sessions.append(id, { ...text("x"), role: secret }),
    'messages[0].role: expected "system" or "user" or "assistant"',
  ],
  ["create null", () => sessions.create(null), "session: expected object"],
  ["create phase null", () => sessions.create({ phase: null }), "session.phase: expected string"],
  ["create metadata null", () => sessions.create({ metadata: null }), "session.metadata: expected record"],
  [
    "create a message null",
    () => sessions.create({ messages: [null] }),
    "session.messages[0]: expected object",
  ],
  ["create messages null", () => sessions.create({ messages: null }), "session.messages: expected array"],
  ["create id ''", () => sessions.create({ id: "" }), `session.id: ${notAnId}`],
  [
    "create metadata list",
    () => sessions.create({ metadata: [secret] }),
    "session.metadata: expected record",
  ],
  [
    "create userId",
    () => sessions.create({ userId: "user_2" }),
    'session: has a key that is not expected here: "userId"',
  ],
  ["messages limit 0", () => sessions.messages(id, { limit: 0 }), "options.limit: expected at least 1"],
  [
    "messages limit 1001",
    () => sessions.messages(id, { limit: 1001 }),
    "options.limit: expected at most 1000",
  ],
  ["list limit NaN", () => sessions.list({ limit: Number.NaN }), "options.limit: expected number"],
  ["list limit 101", () => sessions.list({ limit: 101 }), "options.limit: expected at most 100"],
  ["list limit 1.5", () => sessions.list({ limit: 1.5 }), "options.limit: expected int"],
  ["list limit null", () => sessions.list({ limit: null }), "options.limit: expected number"],
  ["list limit '5'", () => sessions.list({ limit: "5" }), "options.limit: expected number"],
  ["list order", () => sessions.list({ orderBy: "id" }), 'options.orderBy: expected "created" or "updated"'],
  [
    "list cursor",
    () => sessions.list({ cursor: secret }),
    "options.cursor: expected the nextCursor of a page, unchanged",
  ],
  [
    "setPhase ''",
    () => sessions.setPhase(id, ""),
    "phase: expected 1 to 100 characters of well-formed text without U+0000",
  ],
  ["setPhase undefined", () => sessions.setPhase(id, undefined), "phase: expected string"],
  [
    "setPhase from null",
    () => sessions.setPhase(id, "review", { from: null }),
    "options.from: expected string",
  ],
  ["mergeMetadata null", () => sessions.mergeMetadata(id, null), "patch: expected record"],
  [
    "mergeMetadata ifMatch",
    () => sessions.mergeMetadata(id, {}, { ifMatch: 5 }),
    "options.ifMatch: expected record",
  ],
  ["replaceMessages one", () => sessions.replaceMessages(id, text("x")), "messages: expected array"],
  ["truncate nothing", () => sessions.truncate(id), "options.from: expected string"],
  ["truncate {}", () => sessions.truncate(id, {}), "options.from: expected string"],
  ["fork through null", () => sessions.fork(id, { through: null }), "options.through: expected string"],
  ["delete options", () => sessions.delete(id, { ifRevision: 5 }), "options.ifRevision: expected string"],
];

it.each(refused)("%s is refused, naming the field and what was expected", async (_, call, message) => {
  const error = await call().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(JourneyDbError);
  expect(error).toMatchObject({ name: "JourneyDbError", code: "invalid_input", retryable: false, message });
  expect(await sessions.get(id)).toEqual(before);
  expect(await sessions.count()).toBe(1);
});

it.each([
  "",
  " ",
  "user ",
  "\tuser",
  "\ufeffuser",
  "a\0",
  "\ud800",
  "x".repeat(256),
  null,
  undefined,
  5,
  {},
  ["user"],
])("the user id %j is refused", (userId) => {
  expect(() => forUser(db, userId as string)).toThrow(
    expect.objectContaining({
      code: "invalid_input",
      message: expect.stringMatching(/^userId: expected (string$|1 to 255 characters)/),
    }),
  );
});

it.each([null, undefined, {}, "postgres://", 5])("the database %j is refused", (given) => {
  expect(() => forUser(given as never, owner)).toThrow(
    "db: expected a Drizzle PostgreSQL database or transaction",
  );
});

it.each([
  [{ timeoutMs: 0 }, "options.timeoutMs: expected at least 1"],
  [{ signal: {} }, "options.signal: expected AbortSignal"],
  [{ maxSessionBytes: 5 }, 'options: has a key that is not expected here: "maxSessionBytes"'],
])("the handle's options %j are refused", (options, message) => {
  expect(() => forUser(db, owner, options as never)).toThrow(message);
});

it.each([
  [{ phases: [] }, "options.phases: expected at least 1 elements"],
  [
    { phases: ["a", ""] },
    "options.phases[1]: expected 1 to 100 characters of well-formed text without U+0000",
  ],
  [{ maxSessionBytes: 2 ** 28 }, "options.maxSessionBytes: expected at most 268435455"],
  [{ unstorable: "drop" }, 'options.unstorable: expected "replace" or "reject"'],
  [{ message: {} }, "options.message: expected a zod schema"],
  [{ maxSessionBites: 5 }, 'options: has a key that is not expected here: "maxSessionBites"'],
])("defineJourney refuses %j", (options, message) => {
  expect(() => defineJourney(options as never)).toThrow(message);
});

describe("an argument that throws while it is read", () => {
  const explosive = (name: string) =>
    Object.defineProperty({}, name, {
      enumerable: true,
      get: () => {
        throw new Error(secret);
      },
    });
  const revoked = () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  };
  const sometimes = () => {
    let reads = 0;
    return {
      ...text("x"),
      get id() {
        return reads++ ? "x" : `${secret}\0`;
      },
    };
  };

  it.each<[string, () => unknown]>([
    ["a getter of an option", () => sessions.append(id, text("x"), explosive("from"))],
    ["a getter of a precondition", () => sessions.setPhase(id, "review", explosive("ifRevision"))],
    ["a revoked Proxy as options", () => sessions.append(id, text("x"), revoked())],
    ["a revoked Proxy as a message", () => sessions.append(id, revoked())],
    ["a revoked Proxy in a message", () => sessions.append(id, { ...text("x"), metadata: revoked() })],
    ["a revoked Proxy as metadata", () => sessions.mergeMetadata(id, revoked())],
    ["a revoked Proxy as id", () => sessions.get(revoked())],
    ["a revoked Proxy as database", async () => forUser(revoked() as never, owner)],
    ["a message whose id differs from one reading to the next", () => sessions.append(id, sometimes())],
    ["a list of ten million holes", () => sessions.append(id, new Array(10_000_000))],
  ])("%s: invalid_input, without its words", async (_, call) => {
    const error = await new Promise((resolve) => Promise.resolve().then(call).then(resolve, resolve));
    expect(error).toMatchObject({ name: "JourneyDbError", code: "invalid_input" });
    expect(String((error as Error).stack)).not.toContain(secret);
    expect(await sessions.get(id)).toEqual(before);
  });
});

describe("cursors", () => {
  it("one that is damaged, or of another order, is refused", async () => {
    for (const _ of [1, 2, 3]) await forUser(db, `${owner}-list`).create();
    const own = forUser(db, `${owner}-list`);
    const { nextCursor = "" } = await own.list({ limit: 1 });
    await expect(own.list({ cursor: nextCursor, orderBy: "updated" })).rejects.toMatchObject({
      message: 'options.cursor: expected a cursor of a page ordered by "updated"',
    });
    for (let at = 0; at < nextCursor.length; at++) {
      const changed =
        nextCursor.slice(0, at) + (nextCursor[at] === "A" ? "B" : "A") + nextCursor.slice(at + 1);
      for (const cursor of [
        changed,
        nextCursor.slice(0, at),
        nextCursor.slice(0, at) + nextCursor.slice(at + 1),
      ]) {
        await expect(own.list({ cursor })).rejects.toMatchObject({ code: "invalid_input" });
      }
    }
  });
});

it("takes undefined in place of an argument that there is not", async () => {
  expect(await sessions.count(undefined)).toBe(1);
  expect(await sessions.get(id, undefined, undefined)).toEqual(before);
  expect(await all(sessions.export(undefined))).toEqual([before]);
});

it.each(Object.entries(VERBS))(
  "%s with one argument too many is refused, by its own signature",
  async (verb, { takes }) => {
    const more = takes.includes("options") ? "no more arguments" : "no options";
    const call = callOf(sessions, verb as Verb, [...takes.map(() => undefined), { oops: 1 }]);
    await expect(call).rejects.toMatchObject({
      code: "invalid_input",
      message: `${verb}(${takes.join(", ")}) takes ${more}; nothing was sent.`,
    });
    for (const name of takes) expect(name).toMatch(/^[a-z]+$/);
    const { cases } = CATALOGUES["a table with own columns"];
    const { options, onSession } = cases.find((one) => one.verb === verb) ?? expect.fail();
    if (onSession) expect(takes[0]).toBe("id");
    if (options !== null) expect(["options", "session", "where"]).toContain(takes[options]);
  },
);
