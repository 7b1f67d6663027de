import type { MessageShape } from "../messages.js";

/** What JSON makes of what `read` returns; undefined where it can make nothing: of a BigInt, say, or a cycle. */
function jsonOf<Value>(read: () => Value): Value | undefined {
  try {
    return JSON.parse(JSON.stringify(read()));
  } catch {
    return undefined;
  }
}

/** The object without the values of which JSON can make nothing. */
function jsonFieldsOf<Of extends object>(object: Of): Of {
  const fields = keysOf(object).map((key) => [key, jsonOf(() => object[key])]);
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined)) as Of;
}

function keysOf<Of extends object>(object: Of): (keyof Of)[] {
  try {
    return Object.keys(object) as (keyof Of)[];
  } catch {
    return [];
  }
}

type Part = MessageShape["parts"][number];

/** A tool call without the output, or no data at all: the stream broke before it told of them. */
function withoutBroken(part: Part): Part[] {
  const fields = jsonFieldsOf(part);
  if ("output" in part && !("output" in fields)) return [{ ...fields, state: "input-available" } as Part];
  return "data" in part && !("data" in fields) ? [] : [fields];
}

/**
 * The answer as its page was streamed it: what JSON makes of it, now that it has ended. A value of which JSON can make nothing broke the
 * stream, so that no page has it: it is left out.
 */
export function asStreamed<Message extends MessageShape>({ parts, metadata, ...rest }: Message): Message {
  const streamed = { ...rest, parts: parts.flatMap((part) => jsonOf(() => part) ?? withoutBroken(part)) };
  const whole = metadata
    ? { ...streamed, metadata: jsonOf(() => metadata) ?? jsonFieldsOf(metadata) }
    : streamed;
  return whole as unknown as Message;
}
