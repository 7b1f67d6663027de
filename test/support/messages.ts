import { readFileSync } from "node:fs";
import type { JourneyMessage } from "../../src/index.js";

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), "utf8"));

/** Messages of the AI SDK with parts of every kind. */
export const uiMessages: JourneyMessage[] = read("uimessages");
/** Messages that are not quite right, and what becomes of each. */
export const oddMessages: { why: string; message: unknown; expect: "refused" | "stored as it is" }[] =
  read("uimessages-bad");
/** Text that programs get wrong. */
export const nastyStrings: string[] = read("strings");

/** A message of one text part. */
export const text = (
  id: string,
  content = `text of ${id}`,
  role: JourneyMessage["role"] = "user",
): JourneyMessage => ({
  id,
  role,
  parts: [{ type: "text", text: content }],
});

export const idsOf = (messages: readonly JourneyMessage[]) => messages.map(({ id }) => id);
