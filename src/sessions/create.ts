import * as z from "zod";
import { sessionIdSchema } from "../messages.js";
import { create } from "../queries/create.js";
import { arraySchema, options } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { toSession } from "./rows.js";
import type { Session } from "./types.js";
import { never, type Verb } from "./verb.js";

interface NewSession<Message, Metadata, Phase extends string> {
  id?: string | undefined;
  /** @default the first of `phases`, or "setup" */
  phase?: Phase | undefined;
  messages?: readonly Message[] | undefined;
  metadata?: Metadata | undefined;
}

export interface Create<Message, Metadata, Phase extends string> {
  /**
   * Creates a session, by default empty and with a random id. Repeat an interrupted call only if it has an `id`.
   *
   * @throws conflict if the id is already used by any user; too_large
   */
  create(session?: NewSession<Message, Metadata, Phase>): Promise<Session<Message, Metadata, Phase>>;
}

const sessionSchema = options<NewSession<unknown, unknown, string>>()({
  id: sessionIdSchema.optional(),
  phase: z.unknown().optional(),
  messages: arraySchema.optional(),
  metadata: z.unknown().optional(),
});

export const verb: Verb<Create<unknown, unknown, string>["create"]> = {
  takes: ["session"],
  isRepeatable: never,
  async run(handle, given) {
    const session = parse(sessionSchema, given, "session");
    const messages = handle.json.messages(session.messages ?? [], "session.messages");
    const metadata = handle.metadata(session.metadata, "session.metadata");
    const row = await handle.change(create, {
      id: session.id ?? null,
      phase: handle.phase(session.phase, "session.phase") ?? handle.firstPhase,
      messages: messages.text,
      metadata: metadata.text,
      ...handle.limits(messages.isWide || metadata.isWide),
    });
    return toSession(row);
  },
};
