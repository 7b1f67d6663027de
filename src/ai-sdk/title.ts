import type { MessageShape } from "../messages.js";

const graphemes = new Intl.Segmenter();

/** A cluster can be of any length; with the ellipsis the title stays below what columns and schemas often allow. */
const MOST_UNITS = 199;

/**
 * A title made of a message's text: its words on one line, whole ones where they fit, with an
 * ellipsis (…) where more follows. Undefined for a message without text.
 *
 * @param maxLength in characters as a reader counts them (grapheme clusters), and at most 200
 *   UTF-16 code units, whatever this says; 60 fit a line of a list
 */
export function titleOf({ parts }: Pick<MessageShape, "parts">, maxLength = 60): string | undefined {
  const text = parts
    .flatMap((part) =>
      part.type === "text" && "text" in part && typeof part.text === "string" ? [part.text] : [],
    )
    .join(" ")
    .trimStart();
  // What is cut away need not be read: a cluster has some code units, seldom more than a dozen.
  const line = text
    .slice(0, maxLength * 100)
    // The half of a character that was cut through.
    .replace(/[\ud800-\udbff]$/, "")
    .replace(/\s+/g, " ")
    .trim();
  // Twice as much as can be kept: what is cut through is not among it.
  const characters = [...graphemes.segment(line.slice(0, 2 * MOST_UNITS))]
    .filter(({ index, segment }) => index + segment.length <= MOST_UNITS)
    .map(({ segment }) => segment);
  if (characters.length === 0) return undefined;
  if (characters.length <= maxLength && line.length <= MOST_UNITS) return line;
  const cut = characters.slice(0, maxLength).join("");
  const space = cut.lastIndexOf(" ");
  const isMost = space >= (cut.length - 1) / 2;
  return `${isMost ? cut.slice(0, space) : characters.slice(0, maxLength - 1).join("")}…`;
}
