import { messageIdSchema } from "../messages.js";
import { ifRevisionSchema, options } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { toWritten } from "./rows.js";
import type { IfRevision, Written } from "./types.js";
import { never, type Verb } from "./verb.js";

interface TruncateOptions extends IfRevision {
  /** The first message to drop. */
  from: string;
}

export interface Truncate {
  /** Drops the message `from` and all that follow. @throws not_found for the session or the message, conflict */
  truncate(id: string, options: TruncateOptions): Promise<Written & { messageCount: number }>;
}

const optionsSchema = options<TruncateOptions>()({ from: messageIdSchema, ifRevision: ifRevisionSchema });

export const verb: Verb<Truncate["truncate"]> = {
  takes: ["id", "options"],
  isRepeatable: never,
  async run(handle, id, options) {
    const { from, ifRevision = null } = parse(optionsSchema, options);
    const [{ messageCount, ...row }] = await handle.change(({ truncate }) => truncate, {
      id: handle.sessionId(id),
      from,
      ifRevision,
    });
    return { ...toWritten(row), messageCount };
  },
};
