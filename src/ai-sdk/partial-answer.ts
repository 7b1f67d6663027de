import type { MessageShape } from "../messages.js";
import { hasContent } from "./interruption.js";
import { isCall } from "./tool-answers.js";

type Part = MessageShape["parts"][number];

/** Beginnings of a part, ever smaller: half of a text, a quarter and so on; a tool call without its output. */
function* beginningsOf(part: Part): Generator<Part> {
  if (isCall(part) && "output" in part) {
    const { output: _, ...call } = part;
    yield { ...call, state: "input-available" } as Part;
  }
  if (!("text" in part) || typeof part.text !== "string") return;
  for (let length = part.text.length >> 1; length > 0; length >>= 1) {
    // Without the half of a character.
    yield { ...part, text: part.text.slice(0, length).replace(/[\ud800-\udbff]$/, "") } as Part;
  }
}

/**
 * Offers ever more of the parts until no more is taken, the largest beginning last.
 *
 * @param least so many are stored already
 * @param offer whether the parts are taken; each that are replace the ones before
 * @returns whether more than `least` was taken
 */
export async function offerBeginnings(
  parts: readonly Part[],
  least: number,
  offer: (beginning: Part[]) => Promise<boolean>,
): Promise<boolean> {
  let taken = least;
  let refused = parts.length + 1;
  let isTaken = false;
  while (refused - taken > 1) {
    const count = (taken + refused) >> 1;
    const beginning = parts.slice(0, count);
    if (!hasContent({ parts: beginning })) taken = count;
    else if (await offer(beginning)) [taken, isTaken] = [count, true];
    else refused = count;
  }
  const next = parts[taken];
  if (!next) return isTaken;
  for (const beginning of beginningsOf(next)) {
    const more = [...parts.slice(0, taken), beginning];
    if (hasContent({ parts: more }) && (await offer(more))) return true;
  }
  // It may be this part alone that is refused.
  const others = [...parts.slice(0, taken), ...parts.slice(taken + 1)];
  if (taken === parts.length - 1 || !hasContent({ parts: others })) return isTaken;
  return (await offer(others)) || isTaken;
}
