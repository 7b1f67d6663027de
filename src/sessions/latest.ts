import type { JourneyTable } from "../schema.js";
import { foundSession } from "./rows.js";
import type { Session } from "./types.js";
import { always, type Verb } from "./verb.js";

export interface Latest<Message, Metadata, Phase extends string, Table extends JourneyTable> {
  /** The session that was created last, with all its messages, or null. */
  latest(): Promise<Session<Message, Metadata, Phase, Table> | null>;
}

export const verb: Verb<Latest<unknown, object, string, JourneyTable>["latest"]> = {
  takes: [],
  isRepeatable: always,
  async run(handle) {
    return foundSession(handle.own, await handle.send(handle.layout.latest));
  },
};
