import * as z from "zod";
import { setPhase } from "../queries/set-phase.js";
import { ifRevisionSchema, options } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { toWritten } from "./rows.js";
import type { IfRevision, Written } from "./types.js";
import { type Verb, without } from "./verb.js";

interface SetPhaseOptions<Phase extends string> extends IfRevision {
  /** Writes only if the session is in this phase; otherwise `conflict`. */
  from?: Phase | undefined;
}

export interface SetPhase<Phase extends string> {
  /** Moves the session to a phase. @throws not_found, conflict */
  setPhase(id: string, phase: Phase, options?: SetPhaseOptions<Phase>): Promise<Written>;
}

const optionsSchema = options<SetPhaseOptions<string>>()({
  from: z.unknown().optional(),
  ifRevision: ifRevisionSchema,
});

export const verb: Verb<SetPhase<string>["setPhase"]> = {
  takes: ["id", "phase", "options"],
  isRepeatable: without("from", "ifRevision"),
  async run(handle, id, phase, options) {
    const { from, ifRevision = null } = parse(optionsSchema, options);
    const values = {
      id: handle.sessionId(id),
      phase: handle.requiredPhase(phase, "phase"),
      from: handle.phase(from, "options.from") ?? null,
      ifRevision,
    };
    const [row] = await handle.change(() => setPhase, values);
    return toWritten(row);
  },
};
