import { randomUUID } from "node:crypto";
import { type Database, forUser, type JourneyMessage } from "../../src/index.js";
import { newUser } from "./database.js";

/** A user and the id of a session that is not there yet. */
export const openFor = (db: Database) => {
  const user = newUser();
  return { user, id: randomUUID(), sessions: forUser(db, user) };
};

export type Sessions = ReturnType<typeof openFor>["sessions"];

/** A request of a page; a text goes as it is. */
export const requestOf = (body: unknown): Request =>
  new Request("http://application/api", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

/** What the AI SDK tells at the end of a whole answer. */
export const ended = (responseMessage: JourneyMessage) => ({
  responseMessage,
  isAborted: false,
  finishReason: "stop",
});

/** A database that nobody can reach. */
export const NOWHERE = "postgres://127.0.0.1:1/none";
