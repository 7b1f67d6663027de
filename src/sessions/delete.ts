import type { JourneyDbError } from "../model/errors.js";
import { deleteOne } from "../queries/delete.js";
import { onlyIfRevision } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import type { IfRevision } from "./types.js";
import { always, type Verb } from "./verb.js";

export interface Delete {
  /** Deletes the session; false if there is none. @throws conflict (`ifRevision`, a foreign key or a trigger) */
  delete(id: string, options?: IfRevision): Promise<boolean>;
}

export const verb: Verb<Delete["delete"]> = {
  takes: ["id", "options"],
  isRepeatable: always,
  deletes: true,
  async run(handle, id, options) {
    const { ifRevision = null } = parse(onlyIfRevision, options);
    const values = { id: handle.sessionId(id), ifRevision };
    if (ifRevision === null)
      return (await handle.send((table) => deleteOne(table).statement, values)).length > 0;
    return handle
      .change(() => deleteOne, values)
      .then(
        () => true,
        (error: JourneyDbError) => {
          if (error.code === "not_found") return false;
          throw error;
        },
      );
  },
};
