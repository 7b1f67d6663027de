import type { JourneyMessage } from "@aigos/journey-db/messages";

/** What a message says, without its other parts. */
export const textOf = ({ parts }: JourneyMessage): string =>
  parts.flatMap((part) => (part.type === "text" ? [String(part.text)] : [])).join("\n\n");
