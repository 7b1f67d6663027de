import { replaceMessages } from "../queries/replace-messages.js";
import { arraySchema, onlyIfRevision } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { toWritten } from "./rows.js";
import type { IfRevision, Written } from "./types.js";
import { never, type Verb } from "./verb.js";

export interface ReplaceMessages<Message> {
  /** Replaces all messages with these. @throws not_found, conflict, too_large */
  replaceMessages(
    id: string,
    messages: readonly Message[],
    options?: IfRevision,
  ): Promise<Written & { messageCount: number; bytes: number }>;
}

export const verb: Verb<ReplaceMessages<unknown>["replaceMessages"]> = {
  takes: ["id", "messages", "options"],
  isRepeatable: never,
  async run(handle, id, given, options) {
    const { ifRevision = null } = parse(onlyIfRevision, options);
    const { text, isWide } = handle.json.messages(parse(arraySchema, given, "messages"), "messages");
    const { messageCount, bytes, ...row } = await handle.change(replaceMessages, {
      id: handle.sessionId(id),
      messages: text,
      ifRevision,
      ...handle.limits(isWide),
    });
    return { ...toWritten(row), messageCount, bytes };
  },
};
