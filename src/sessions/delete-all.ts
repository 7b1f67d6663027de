import { deleteAll } from "../queries/delete.js";
import { always, type Verb } from "./verb.js";

export interface DeleteAll {
  /** Deletes all of the user's sessions, or none on an error, and returns their number. @throws conflict */
  deleteAll(): Promise<number>;
}

export const verb: Verb<DeleteAll["deleteAll"]> = {
  takes: [],
  isRepeatable: always,
  deletes: true,
  async run(handle) {
    const [row] = await handle.send(deleteAll);
    return row?.sessions ?? 0;
  },
};
