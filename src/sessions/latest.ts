import { latest } from "../queries/latest.js";
import { toSession } from "./rows.js";
import type { Session } from "./types.js";
import { always, type Verb } from "./verb.js";

export interface Latest<Message, Metadata, Phase extends string> {
  /** The session that was created last, with all its messages, or null. */
  latest(): Promise<Session<Message, Metadata, Phase> | null>;
}

export const verb: Verb<Latest<unknown, unknown, string>["latest"]> = {
  takes: [],
  isRepeatable: always,
  async run(handle) {
    const [row] = await handle.send(latest);
    return row ? toSession(row) : null;
  },
};
