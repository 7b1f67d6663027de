import type { MessageShape } from "../messages.js";
import type { Part } from "./parts.js";

/**
 * The value that `read` returns, as JSON; undefined if JSON cannot express it, as with a BigInt or a cycle.
 */
function jsonOf<Value>(read: () => Value): Value | undefined {
  try {
    return JSON.parse(JSON.stringify(read()));
  } catch {
    return undefined;
  }
}

/** The object without the values that JSON cannot express. */
function jsonFieldsOf<Of extends object>(object: Of): Of {
  const keys = jsonOf(() => Object.keys(object) as (keyof Of)[]) ?? [];
  const fields = keys.map((key) => [key, jsonOf(() => object[key])]);
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined)) as Of;
}

/** A tool call without its output, or no data part at all: the stream broke before it sent them. */
function withoutBroken(part: Part): Part[] {
  const fields = jsonFieldsOf(part);
  if ("output" in part && !("output" in fields)) return [{ ...fields, state: "input-available" } as Part];
  return "data" in part && !("data" in fields) ? [] : [fields];
}

/**
 * The answer as the page received it: as JSON, as it is when the answer ends. A value that JSON cannot
 * express broke the stream, so that no page received it; it is left out.
 */
export function asReceived<Message extends MessageShape>({ parts, metadata, ...rest }: Message): Message {
  const received = { ...rest, parts: parts.flatMap((part) => jsonOf(() => part) ?? withoutBroken(part)) };
  return (metadata
    ? { ...received, metadata: jsonOf(() => metadata) ?? jsonFieldsOf(metadata) }
    : received) as unknown as Message;
}
