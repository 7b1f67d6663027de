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
  let own: ReturnType<typeof Object.getOwnPropertyDescriptors> | undefined;
  try {
    if (!Array.isArray(options)) own = Object.getOwnPropertyDescriptors(options);
  } catch {
    // Null, or a Proxy that throws.
  }
  // What is no options is refused as it is.
  if (typeof options !== "object" || !own) return defined(options);
  return defined(Object.defineProperties({ messages: messagesOf(own.table?.value) }, own) as never);
}) as typeof defined;

export const { forUser } = defineJourney();
