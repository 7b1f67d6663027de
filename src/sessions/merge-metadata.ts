import * as z from "zod";
import { mergeMetadata } from "../queries/merge-metadata.js";
import { ifRevisionSchema, options } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { toWritten } from "./rows.js";
import type { IfRevision, Written } from "./types.js";
import { type Verb, without } from "./verb.js";

/** A change to metadata: a value replaces that of the key, null removes the key. */
export type MetadataPatch<Metadata> = { [Key in keyof Metadata]?: Metadata[Key] | null };

interface MergeOptions<Metadata> extends IfRevision {
  /**
   * Writes only if each of these keys equals the stored value; null matches an absent key. Otherwise
   * `conflict`.
   */
  ifMatch?: MetadataPatch<Metadata> | undefined;
}

export interface MergeMetadata<Metadata> {
  /**
   * Changes metadata: each top-level key replaces the stored key, and null removes it.
   *
   * @throws not_found, conflict, too_large
   */
  mergeMetadata(
    id: string,
    patch: MetadataPatch<Metadata>,
    options?: MergeOptions<Metadata>,
  ): Promise<Written & { metadata: Partial<Metadata> }>;
}

const optionsSchema = options<MergeOptions<unknown>>()({
  ifMatch: z.unknown().optional(),
  ifRevision: ifRevisionSchema,
});

export const verb: Verb<MergeMetadata<Record<string, unknown>>["mergeMetadata"]> = {
  takes: ["id", "patch", "options"],
  isRepeatable: without("ifMatch", "ifRevision"),
  async run(handle, id, patch, options) {
    const { ifMatch, ifRevision = null } = parse(optionsSchema, options);
    const { text, isWide } = handle.json.patch(patch, "patch");
    const { metadata, ...row } = await handle.change(mergeMetadata, {
      id: handle.sessionId(id),
      patch: text,
      ifMatch: ifMatch === undefined ? "{}" : handle.json.match(ifMatch, "options.ifMatch"),
      ifRevision,
      ...handle.limits(isWide),
    });
    return { ...toWritten(row), metadata: JSON.parse(metadata) };
  },
};
