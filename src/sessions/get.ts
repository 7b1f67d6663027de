import type { JourneyTable } from "../schema.js";
import { foundSession } from "./rows.js";
import type { Session } from "./types.js";
import { always, type Verb } from "./verb.js";

export interface Get<Message, Metadata, Phase extends string, Table extends JourneyTable> {
  /** The session with all its messages, or null. */
  get(id: string): Promise<Session<Message, Metadata, Phase, Table> | null>;
}

export const verb: Verb<Get<unknown, object, string, JourneyTable>["get"]> = {
  takes: ["id"],
  isRepeatable: always,
  async run(handle, id) {
    return foundSession(handle.own, await handle.send(handle.layout.get, { id: handle.sessionId(id) }));
  },
};
