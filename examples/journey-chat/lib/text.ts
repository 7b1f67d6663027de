import type { JourneyMessage } from "@aigos/journey-db/messages";

/** The longest text that a user sends, in UTF-16 code units. */
export const MOST_TEXT = 50_000;

/** What a message says, without its other parts. */
export const textOf = ({ parts }: JourneyMessage): string =>
  parts.flatMap((part) => (part.type === "text" ? [String(part.text)] : [])).join("\n\n");
