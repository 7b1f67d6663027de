import type { MessageShape } from "../messages.js";
import { hasContent, isCall, type Part } from "./parts.js";

type Parts = MessageShape["parts"];

/** Ever smaller beginnings of a part: a tool call without its output; half of a text, a quarter and so on. */
function* beginningsOf(part: Part): Generator<Part> {
  if (isCall(part) && "output" in part) {
    const { output: _, ...call } = part;
    yield { ...call, state: "input-available" } as Part;
  }
  if (!("text" in part) || typeof part.text !== "string") return;
  for (let length = part.text.length >> 1; length > 0; length >>= 1) {
    // Without half a surrogate pair.
    yield { ...part, text: part.text.slice(0, length).replace(/[\ud800-\udbff]$/, "") } as Part;
  }
}

/**
 * Stores as many of the parts as are accepted, and the beginning of the next one.
 *
 * @param stored how many of them are stored already
 * @param store returns whether the parts are accepted; they replace those stored before
 * @returns whether more than `stored` was accepted
 */
export async function storeMostParts(
  parts: Parts,
  stored: number,
  store: (some: Parts) => Promise<boolean>,
): Promise<boolean> {
  let accepted = stored;
  let refused = parts.length + 1;
  let isStored = false;
  while (refused - accepted > 1) {
    const count = (accepted + refused) >> 1;
    const some = parts.slice(0, count);
    if (!hasContent({ parts: some })) accepted = count;
    else if (await store(some)) [accepted, isStored] = [count, true];
    else refused = count;
  }
  const next = parts[accepted];
  if (!next) return isStored;
  for (const beginning of beginningsOf(next)) {
    const some = [...parts.slice(0, accepted), beginning];
    if (hasContent({ parts: some }) && (await store(some))) return true;
  }
  // Perhaps this part alone is refused.
  const others = [...parts.slice(0, accepted), ...parts.slice(accepted + 1)];
  if (accepted === parts.length - 1 || !hasContent({ parts: others })) return isStored;
  return (await store(others)) || isStored;
}

/** Whether a stored message is what had arrived of an answer, and nothing else. */
export function isBeginningOf<Message extends MessageShape>(stored: Message, answer: Message): boolean {
  const { interrupted: _, ...marked } = (stored.metadata ?? {}) as { interrupted?: unknown };
  const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  return (
    isSame(marked, answer.metadata ?? {}) &&
    stored.parts.every((part, n) => {
      const whole = answer.parts[n] as typeof part | undefined;
      const [begun, said] = [part, whole].map((one) => (one && "text" in one ? String(one.text) : undefined));
      return part.type === whole?.type && (begun === undefined || said?.startsWith(begun));
    })
  );
}
