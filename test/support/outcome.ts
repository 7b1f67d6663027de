import { mergePatch } from "./merge-patch.js";
import { asStored } from "./storable.js";
import type { Verb } from "./verbs.js";

// biome-ignore lint/suspicious/noExplicitAny: what a fuzzed call was given and what it answered have any type
type Any = any;

export interface Content {
  phase: string;
  messages: unknown[];
  metadata: object;
}

const upTo = (messages: Any[], id: string, more: number) =>
  messages.slice(0, messages.findIndex((message) => message.id === id) + more);

function upserted(base: Any[], given: Any): unknown[] {
  const messages = [...base];
  for (const message of asStored(Array.isArray(given) ? given : [given]) as Any[]) {
    const at = messages.findIndex(({ id }) => id === message.id);
    if (at < 0) messages.push(message);
    else messages[at] = message;
  }
  return messages;
}

function merged({ metadata }: Content, given: unknown): object {
  const patch = Object.entries(asStored(given) as object);
  const all = new Map([...Object.entries(metadata), ...patch]);
  for (const [key, value] of patch) if (value === null) all.delete(key);
  return Object.fromEntries(all);
}

/** What a write that went through leaves of a session that was as `seed`; undefined of a call that leaves none. */
export function contentAfter(method: Verb, args: Any[], seed: Content, known: boolean): Content | undefined {
  const [, given, third] = args;
  switch (method) {
    case "append": {
      const metadata = asStored(third?.create?.metadata ?? {}) as object;
      const base = known ? seed : { phase: "setup", messages: [], metadata };
      const kept = third?.from === undefined ? base.messages : upTo(base.messages, third.from, 0);
      return { ...base, messages: upserted(kept, given) };
    }
    case "create": {
      const { phase = "setup", messages = [], metadata = {} } = args[0] ?? {};
      return { phase, messages: asStored(messages) as unknown[], metadata: asStored(metadata) as object };
    }
    case "setPhase":
      return { ...seed, phase: given };
    case "update": {
      const { phase = seed.phase, metadata } = given;
      return { ...seed, phase, metadata: metadata === undefined ? seed.metadata : merged(seed, metadata) };
    }
    case "mergeMetadata":
      return {
        ...seed,
        metadata: third?.deep ? (mergePatch(seed.metadata, asStored(given)) as object) : merged(seed, given),
      };
    case "replaceMessages":
      return { ...seed, messages: asStored(given) as unknown[] };
    case "truncate":
      return { ...seed, messages: upTo(seed.messages, given.from, 0) };
    case "fork":
      return given?.through === undefined
        ? seed
        : { ...seed, messages: upTo(seed.messages, given.through, 1) };
    default:
      return undefined;
  }
}
