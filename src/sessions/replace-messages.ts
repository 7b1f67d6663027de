import { arraySchema, onlyIfRevision } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { toWritten } from "./rows.js";
import type { IfRevision, MessageLayout, Size, Written } from "./types.js";
import { never, type Verb } from "./verb.js";

export interface ReplaceMessages<Message, Layout extends MessageLayout> {
  /** Replaces all messages with these. @throws not_found, conflict, too_large */
  replaceMessages(
    id: string,
    messages: readonly Message[],
    options?: IfRevision,
  ): Promise<Written & { messageCount: number } & Size<Layout>>;
}

export const verb: Verb<ReplaceMessages<unknown, MessageLayout>["replaceMessages"]> = {
  takes: ["id", "messages", "options"],
  isRepeatable: never,
  async run(handle, id, given, options) {
    const { ifRevision = null } = parse(onlyIfRevision, options);
    const { text, isWide } = handle.json.messages(parse(arraySchema, given, "messages"), "messages");
    const [{ messageCount, bytes, ...row }] = await handle.change(({ replaceMessages }) => replaceMessages, {
      id: handle.sessionId(id),
      messages: text,
      ifRevision,
      ...handle.limits(isWide),
    });
    return { ...toWritten(row), messageCount, ...(bytes !== undefined && !handle.layout.move && { bytes }) };
  },
};
