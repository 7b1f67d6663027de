import type { MessageShape } from "../messages.js";

const graphemes = new Intl.Segmenter();

/** Of the title, since a character may have any number of code units. */
const MAX_CODE_UNITS = 200;

/**
 * Makes a title from a message's text: its first words on one line, with an ellipsis (…) if more follows.
 * Undefined for a message without text.
 *
 * @param maxLength in characters as a reader counts them (grapheme clusters), and at most 200
 *   UTF-16 code units in any case; 60 fit a line of a list
 */
export function titleOf({ parts }: Pick<MessageShape, "parts">, maxLength = 60): string | undefined {
  const texts = parts.map((part) => (part.type === "text" && "text" in part ? part.text : undefined));
  const line = texts
    .filter((text) => typeof text === "string")
    .join(" ")
    .trim()
    .replace(/\s+/g, " ");
  const characters = Array.from(graphemes.segment(line.slice(0, MAX_CODE_UNITS)), ({ segment }) => segment);
  if (line.length < MAX_CODE_UNITS && characters.length <= maxLength) return line || undefined;
  // The last one may be half a character.
  characters.pop();
  const cut = characters.slice(0, maxLength).join("");
  const space = cut.lastIndexOf(" ");
  const isMost = space >= (cut.length - 1) / 2;
  return `${isMost ? cut.slice(0, space) : characters.slice(0, maxLength - 1).join("")}…`;
}
