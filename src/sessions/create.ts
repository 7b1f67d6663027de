import * as z from "zod";
import { sessionIdSchema } from "../messages.js";
import { ownValues } from "../queries/own-columns.js";
import type { JourneyTable, NeedsOwn, NewOwn } from "../schema.js";
import { arraySchema, options } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { toSession } from "./rows.js";
import type { Session } from "./types.js";
import { never, type Verb } from "./verb.js";

interface SessionFields<Message, Metadata, Phase extends string> {
  id?: string | undefined;
  /** @default the first of `phases`, or "setup" */
  phase?: Phase | undefined;
  messages?: readonly Message[] | undefined;
  metadata?: Metadata | undefined;
}

/** A new session, with the application's own columns. */
export type NewSession<Message, Metadata, Phase extends string, Table extends JourneyTable> = SessionFields<
  Message,
  Metadata,
  Phase
> &
  NewOwn<Table>;

export interface Create<Message, Metadata, Phase extends string, Table extends JourneyTable> {
  /**
   * Creates a session, by default empty and with a random id. Repeat an interrupted call only if it has an `id`.
   *
   * @throws conflict if the id is already used by any user, or a constraint of an own column refuses the session; too_large
   */
  create(
    ...session: NeedsOwn<Table> extends true
      ? [session: NewSession<Message, Metadata, Phase, Table>]
      : [session?: NewSession<Message, Metadata, Phase, Table>]
  ): Promise<Session<Message, Metadata, Phase, Table>>;
}

const sessionSchema = options<SessionFields<unknown, unknown, string>>()({
  id: sessionIdSchema.optional(),
  phase: z.unknown().optional(),
  messages: arraySchema.optional(),
  metadata: z.unknown().optional(),
});

export const verb: Verb<Create<unknown, object, string, JourneyTable>["create"]> = {
  takes: ["session"],
  isRepeatable: never,
  async run(handle, given) {
    const { own, rest } = handle.own.split(given);
    const session = parse(sessionSchema, rest, "session");
    const messages = handle.json.messages(session.messages ?? [], "session.messages");
    const metadata = handle.metadata(session.metadata, "session.metadata");
    const columns = handle.own.created(own, "session");
    const newLimits = handle.limits(messages.isWide || metadata.isWide);
    const rows = await handle.change(({ create }) => create(Object.keys(columns)), {
      id: session.id ?? null,
      phase: handle.phase(session.phase, "session.phase") ?? handle.firstPhase,
      messages: messages.text,
      metadata: metadata.text,
      ...ownValues(columns),
      maxMetadataBytes: newLimits.maxBytes,
      maxMetadataTextBytes: newLimits.maxTextBytes,
      ...newLimits,
    });
    return toSession(handle.own, rows);
  },
};
