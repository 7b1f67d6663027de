import { messageIdSchema, sessionIdSchema } from "../messages.js";
import { fork } from "../queries/fork.js";
import { options } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { toSession } from "./rows.js";
import type { Session } from "./types.js";
import { never, type Verb } from "./verb.js";

interface ForkOptions {
  /** The last message to copy. @default all */
  through?: string | undefined;
  /** The id of the new session. @default a random one */
  id?: string | undefined;
}

export interface Fork<Message, Metadata, Phase extends string> {
  /**
   * Copies phase, metadata and messages into a new session of the same user.
   *
   * @throws not_found for the session or the message, conflict if the new id is already used by any user
   */
  fork(id: string, options?: ForkOptions): Promise<Session<Message, Metadata, Phase>>;
}

const optionsSchema = options<ForkOptions>()({
  through: messageIdSchema.optional(),
  id: sessionIdSchema.optional(),
});

export const verb: Verb<Fork<unknown, unknown, string>["fork"]> = {
  takes: ["id", "options"],
  isRepeatable: never,
  async run(handle, id, options) {
    const { through = null, id: newId = null } = parse(optionsSchema, options);
    return toSession(await handle.change(fork, { id: handle.sessionId(id), through, newId }));
  },
};
