import { count } from "../queries/count.js";
import { always, type Verb } from "./verb.js";

export interface Count {
  /** How many sessions the user has. */
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
