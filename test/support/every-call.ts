import { randomUUID } from "node:crypto";
import type { forUser } from "../../src/index.js";
import { all } from "./answer.js";
import { text } from "./messages.js";

type Sessions = ReturnType<typeof forUser>;

/**
 * Every method with every option that makes another statement of it, each answered by the owner's
 * own sessions, to be made in this order; the last leaves nothing behind.
 */
export function everyCall(sessions: Sessions): [name: string, call: () => Promise<unknown>][] {
  const [a, b, c] = [randomUUID(), randomUUID(), randomUUID()];
  const orders = (["created", "updated"] as const).flatMap((orderBy) =>
    [{ orderBy }, { orderBy, phase: "setup" }].map((options) => ({ ...options, limit: 1 })),
  );
  const lists = orders.flatMap((options): [string, () => Promise<unknown>][] => {
    let cursor: string | undefined;
    const name = `list by ${options.orderBy}${"phase" in options ? " in a phase" : ""}`;
    const first = async () => {
      cursor = (await sessions.list(options)).nextCursor;
    };
    const next = async () => {
      if (cursor === undefined) throw new Error("there is no next page");
      await sessions.list({ ...options, cursor });
    };
    return [
      [name, first],
      [`${name}, the next page`, next],
    ];
  });
  return [
    ["append that creates", () => sessions.append(a, text("m1"), { create: true })],
    ["append with create", () => sessions.append(a, text("m2"), { create: true })],
    ["append", () => sessions.append(a, [text("m3"), text("m4")], { after: "m2" })],
    ["append that replaces", () => sessions.append(a, text("m4", "grown"))],
    ["append from", () => sessions.append(a, text("m5"), { from: "m4" })],
    ["create", () => sessions.create({ id: b, messages: [text("m1")], metadata: { step: 1 } })],
    ["get", () => sessions.get(a)],
    ["messages", () => sessions.messages(a, { limit: 1, before: "m2" })],
    ["latest", () => sessions.latest()],
    ...lists,
    ["search", () => sessions.search("GROWN", { limit: 1 })],
    ["export", () => all(sessions.export())],
    ["count", () => sessions.count()],
    ["setPhase", () => sessions.setPhase(a, "review", { from: "setup" })],
    ["mergeMetadata", () => sessions.mergeMetadata(b, { step: 2 }, { ifMatch: { step: 1 } })],
    ["replaceMessages", () => sessions.replaceMessages(b, [text("m1"), text("m2")])],
    ["truncate", () => sessions.truncate(a, { from: "m3" })],
    ["fork", () => sessions.fork(a, { through: "m1", id: c })],
    ["delete", () => sessions.delete(c)],
    ["deleteAll", () => sessions.deleteAll()],
  ];
}
