import { expect, it } from "vitest";
import { forUser, type JourneyMessage, type Session } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { errorOf } from "../support/errors.js";
import { text } from "../support/messages.js";

const db = openPostgresJs(await migratedDatabase());

/** What has no keys of its own, so that its preconditions would count for none. */
const notPlain: Record<string, (options: object) => unknown> = {
  "a Map": (options) => new Map(Object.entries(options)),
  "a Promise that was not awaited": async (options) => options,
  URLSearchParams: (options) => new URLSearchParams(Object.entries(options)),
  "an Error": () => new Error("x"),
  "a Date": () => new Date(),
  "a list": (options) => [options],
};

const calls: Record<
  string,
  (sessions: ReturnType<typeof forUser>, id: string, options: never) => Promise<unknown>
> = {
  append: (sessions, id, options) => sessions.append(id, text("m2"), options),
  create: (sessions, _, options) => sessions.create(options),
  messages: (sessions, id, options) => sessions.messages(id, options),
  list: (sessions, _, options) => sessions.list(options),
  setPhase: (sessions, id, options) => sessions.setPhase(id, "review", options),
  mergeMetadata: (sessions, id, options) => sessions.mergeMetadata(id, { a: 1 }, options),
  replaceMessages: (sessions, id, options) => sessions.replaceMessages(id, [] as JourneyMessage[], options),
  truncate: (sessions, id, options) => sessions.truncate(id, options),
  fork: (sessions, id, options) => sessions.fork(id, options),
  delete: (sessions, id, options) => sessions.delete(id, options),
};

it.each(Object.entries(notPlain))("%s as options is refused, and nothing changes", async (_, make) => {
  const sessions = forUser(db, newUser());
  const session: Session = await sessions.create({ messages: [text("m1")] });
  for (const [name, call] of Object.entries(calls)) {
    const error = await errorOf(call(sessions, session.id, make({ ifRevision: "stale" }) as never));
    expect(`${name}: ${error.code} ${error.message}`).toMatch(
      /: invalid_input (options|session): expected object$/,
    );
  }
  expect(await sessions.get(session.id)).toEqual(session);
  expect(await sessions.count()).toBe(1);
});
