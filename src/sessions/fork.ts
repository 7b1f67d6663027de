import { messageIdSchema, sessionIdSchema } from "../messages.js";
import { ownValues } from "../queries/own-columns.js";
import type { JourneyTable, OwnChanges } from "../schema.js";
import { options, plainObjectSchema } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { toSession } from "./rows.js";
import type { Session } from "./types.js";
import { never, type Verb } from "./verb.js";

interface ForkOptions<Table extends JourneyTable> {
  /** The last message to copy. @default all */
  through?: string | undefined;
  /** The id of the new session. @default a random one */
  id?: string | undefined;
  /** Own columns that get other values in the copy. A column with a unique index needs one. */
  set?: OwnChanges<Table> | undefined;
}

export interface Fork<Message, Metadata, Phase extends string, Table extends JourneyTable> {
  /**
   * Copies phase, metadata, own columns and messages into a new session of the same user. Columns that the database
   * numbers or generates get new values.
   *
   * @throws not_found for the session or the message, conflict if the new id is already used by any user, or a
   *   constraint of an own column refuses the copy
   */
  fork(id: string, options?: ForkOptions<Table>): Promise<Session<Message, Metadata, Phase, Table>>;
}

const optionsSchema = options<ForkOptions<JourneyTable>>()({
  through: messageIdSchema.optional(),
  id: sessionIdSchema.optional(),
  set: plainObjectSchema.default({}),
});

export const verb: Verb<Fork<unknown, object, string, JourneyTable>["fork"]> = {
  takes: ["id", "options"],
  isRepeatable: never,
  async run(handle, id, options) {
    const { through = null, id: newId = null, set } = parse(optionsSchema, options);
    const columns = handle.own.changed(set, "options.set");
    const shape = {
      set: Object.keys(columns),
      leave: handle.own.notCopied.filter((key) => !(key in columns)),
    };
    const values = { id: handle.sessionId(id), through, newId, ...ownValues(columns) };
    // The copy is in the column if the session is.
    return toSession(handle.own, await handle.change(({ fork }) => fork(shape), values, false));
  },
};
