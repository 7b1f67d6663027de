import * as z from "zod";
import { ownValues } from "../queries/own-columns.js";
import { update } from "../queries/update.js";
import type { JourneyTable, OwnChanges } from "../schema.js";
import { atLeastOne, onlyIfRevision, options } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import type { MetadataPatch } from "./merge-metadata.js";
import { toWritten } from "./rows.js";
import type { IfRevision, Written } from "./types.js";
import { type Verb, without } from "./verb.js";

interface FieldChanges<Metadata, Phase extends string> {
  phase?: Phase | undefined;
  /** Merged as by `mergeMetadata`: each key replaces the stored key, and null removes it. */
  metadata?: MetadataPatch<Metadata> | undefined;
}

/** What `update` changes: own columns, the phase and metadata. What is absent stays as it is. */
export type Changes<Metadata, Phase extends string, Table extends JourneyTable> = FieldChanges<
  Metadata,
  Phase
> &
  OwnChanges<Table>;

export interface Update<Metadata, Phase extends string, Table extends JourneyTable> {
  /**
   * Changes own columns, the phase and metadata in one statement. The given value replaces that of an own column, and
   * a jsonb column as a whole.
   *
   * @example await sessions.update(id, { pinned: true, phase: "review" })
   * @throws not_found, conflict (`ifRevision`, a constraint of an own column), too_large
   */
  update(id: string, changes: Changes<Metadata, Phase, Table>, options?: IfRevision): Promise<Written>;
}

const changesSchema = options<FieldChanges<unknown, string>>()({
  phase: z.unknown().optional(),
  metadata: z.unknown().optional(),
});

const changed = atLeastOne("a phase, metadata or an own column");

export const verb: Verb<Update<object, string, JourneyTable>["update"]> = {
  takes: ["id", "changes", "options"],
  isRepeatable: without("ifRevision"),
  async run(handle, id, given, options) {
    const { ifRevision = null } = parse(onlyIfRevision, options);
    const { own, rest } = handle.own.split(given);
    const changes = parse(changesSchema, rest, "changes");
    const phase = handle.phase(changes.phase, "changes.phase");
    const patch =
      changes.metadata === undefined ? undefined : handle.json.patch(changes.metadata, "changes.metadata");
    const columns = handle.own.changed(own, "changes");
    const shape = {
      phase: phase !== undefined,
      metadata: patch !== undefined,
      own: Object.keys(columns),
    };
    parse(changed, [...shape.own, ...[phase, patch].filter((one) => one !== undefined)], "changes");
    const values = {
      id: handle.sessionId(id),
      ifRevision,
      ...(phase !== undefined && { phase }),
      ...(patch && { patch: patch.text }),
      ...ownValues(columns),
      ...handle.limits(patch?.isWide ?? false),
    };
    const [row] = await handle.change(() => update(shape), values);
    return toWritten(row);
  },
};
