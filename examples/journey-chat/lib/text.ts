import type { JourneyMessage } from "@aigos/journey-db/messages";

/** Maximum length of a user's text in UTF-16 code units. */
export const MOST_TEXT = 50_000;

/** The text parts of a message. */
export const textOf = ({ parts }: JourneyMessage): string =>
  parts.flatMap((part) => (part.type === "text" ? [String(part.text)] : [])).join("\n\n");
