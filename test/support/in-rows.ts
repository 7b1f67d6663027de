/** The package's entry point, whose handles keep messages in rows. */
import { defineJourney as defined, type JourneyTable } from "../../src/index.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions } from "../../src/schema.js";

export * from "../../src/index.js";

export const defineJourney = ((options: { table?: JourneyTable } = {}) =>
  defined({
    messages: messagesTable(options.table ?? journeySessions),
    ...options,
  } as never)) as typeof defined;

export const { forUser } = defineJourney();
