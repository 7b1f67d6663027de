/** The package's entry point, whose handles keep messages in rows. */
import { defineJourney as defined, type JourneyTable } from "../../src/index.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions } from "../../src/schema.js";

export * from "../../src/index.js";

/** Undefined for what is no table, which is refused. */
function messagesOf(table: JourneyTable | undefined) {
  try {
    return messagesTable(table ?? journeySessions);
  } catch {
    return undefined;
  }
}

export const defineJourney = ((options: { table?: JourneyTable } = {}) => {
  // What is no options is refused as it is, and a getter is the package's to read.
  if (typeof options !== "object" || options === null || Array.isArray(options)) return defined(options);
  const table = Object.getOwnPropertyDescriptor(options, "table")?.value;
  return defined(
    Object.defineProperties(
      { messages: messagesOf(table) },
      Object.getOwnPropertyDescriptors(options),
    ) as never,
  );
}) as typeof defined;

export const { forUser } = defineJourney();
