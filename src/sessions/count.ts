import { count } from "../queries/count.js";
import { always, type Verb } from "./verb.js";

export interface Count {
  /** The number of the user's sessions. */
  count(): Promise<number>;
}

export const verb: Verb<Count["count"]> = {
  takes: [],
  isRepeatable: always,
  async run(handle) {
    const [row] = await handle.send(count);
    return row?.sessions ?? 0;
  },
};
