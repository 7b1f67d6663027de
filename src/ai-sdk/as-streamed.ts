import type { MessageShape } from "../messages.js";

/** What JSON makes of a value; undefined where it can make nothing: of a BigInt, say, or a cycle. */
function jsonOf<Value>(value: Value): Value | undefined {
  try {
    return JSON.parse(JSON.stringify(value));
  } catch {
    return undefined;
  }
}

/** The object without the values of which JSON can make nothing. */
function jsonFieldsOf<Of extends object>(object: Of): Of {
  const fields = Object.entries(object).map(([key, value]) => [key, jsonOf(value)]);
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined)) as Of;
}

type Part = MessageShape["parts"][number];

/** A tool call without the output, or no data at all: the stream broke before it told of them. */
function withoutBroken(part: Part): Part[] {
  const fields = jsonFieldsOf(part);
  if ("output" in part && !("output" in fields)) return [{ ...fields, state: "input-available" } as Part];
  return "data" in part && !("data" in fields) ? [] : [fields];
}

/**
 * The answer as its page was streamed it: what JSON makes of it. A value of which JSON can make nothing broke the
 * stream, so that no page has it: it is left out.
 */
export function asStreamed<Message extends MessageShape>({ parts, metadata, ...rest }: Message): Message {
  const streamed = { ...rest, parts: parts.flatMap((part) => jsonOf(part) ?? withoutBroken(part)) };
  const whole = metadata ? { ...streamed, metadata: jsonOf(metadata) ?? jsonFieldsOf(metadata) } : streamed;
  return whole as unknown as Message;
}
