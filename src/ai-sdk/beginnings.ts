import type { MessageShape } from "../messages.js";
import { hasContent } from "./answer.js";
import { isCall } from "./tool-answers.js";

type Part = MessageShape["parts"][number];

const textIn = (part: Part): string | undefined =>
  "text" in part && typeof part.text === "string" ? part.text : undefined;

/** The beginning of a text, without the half of a character. */
const cut = (text: string, length: number): string => text.slice(0, length).replace(/[\ud800-\udbff]$/, "");

const sizeOf = (part: Part): number => JSON.stringify(part).length;

/** What fits of a part that does not as a whole: the beginning of a text, a tool call without its output. */
function beginningOf(part: Part, size: number): Part[] {
  const text = textIn(part);
  if (text !== undefined) {
    const length = Math.floor((size * text.length) / sizeOf(part));
    return length > 0 ? [{ ...part, text: cut(text, length) } as Part] : [];
  }
  if (!isCall(part) || !("output" in part)) return [];
  const { output: _, ...call } = part;
  const called = { ...call, state: "input-available" };
  return sizeOf(called) <= size ? [called] : [];
}

/** At most half of the parts, by their size. */
export function half(parts: readonly Part[]): Part[] {
  let left = parts.reduce((sum, part) => sum + sizeOf(part), 0) / 2;
  const kept: Part[] = [];
  for (const part of parts) {
    if (sizeOf(part) > left) return [...kept, ...beginningOf(part, left)];
    kept.push(part);
    left -= sizeOf(part);
  }
  return kept;
}

/** The parts without the last few; of a single text its first half. */
export function withoutLast(parts: readonly Part[], count: number): Part[] {
  const [first] = parts;
  if (parts.length > 1 || first === undefined) return parts.slice(0, Math.max(1, parts.length - count));
  const text = textIn(first) ?? "";
  return text.length > 1 ? [{ ...first, text: cut(text, text.length / 2) } as Part] : [];
}

/** Whether there is something to store. */
export const isBeginning = (parts: readonly Part[]): boolean => parts.length > 0 && hasContent({ parts });
