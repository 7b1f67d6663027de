import * as z from "zod";
import { mergeMetadata, mergeMetadataDeeply } from "../queries/merge-metadata.js";
import { ifRevisionSchema, options } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { toWritten } from "./rows.js";
import type { IfRevision, Written } from "./types.js";
import { type Verb, without } from "./verb.js";

/** A change to metadata: a value replaces that of the key, null removes the key. */
export type MetadataPatch<Metadata> = { [Key in keyof Metadata]?: Metadata[Key] | null };

/** A MetadataPatch that also applies within nested objects. */
export type DeepMetadataPatch<Metadata> = {
  [Key in keyof Metadata]?:
    | (NonNullable<Metadata[Key]> extends readonly unknown[] | string | number | boolean
        ? Metadata[Key]
        : NonNullable<Metadata[Key]> extends object
          ? DeepMetadataPatch<NonNullable<Metadata[Key]>>
          : Metadata[Key])
    | null;
};

interface MergeOptions<Metadata> extends IfRevision {
  /**
   * Writes only if each of these keys equals the stored value; null matches an absent key. Otherwise
   * `conflict`.
   */
  ifMatch?: MetadataPatch<Metadata> | undefined;
  /**
   * Merges nested objects key by key, and null removes at every level, as a JSON merge patch (RFC 7396). A patch has at
   * most 1,000 objects. The application's schema does not check nested objects, since a patch has only parts of them.
   * @default false
   */
  deep?: boolean | undefined;
}

export interface MergeMetadata<Metadata> {
  /**
   * Changes metadata: each top-level key replaces the stored key, and null removes it. With `deep`, nested objects are
   * merged, too.
   *
   * @throws not_found, conflict, too_large
   */
  mergeMetadata<Deep extends boolean = false>(
    id: string,
    patch: Deep extends true ? DeepMetadataPatch<Metadata> : MetadataPatch<Metadata>,
    options?: MergeOptions<Metadata> & { deep?: Deep | undefined },
  ): Promise<Written & { metadata: Partial<Metadata> }>;
}

const optionsSchema = options<MergeOptions<unknown>>()({
  ifMatch: z.unknown().optional(),
  ifRevision: ifRevisionSchema,
  deep: z.boolean().default(false),
});

export const verb: Verb<MergeMetadata<Record<string, unknown>>["mergeMetadata"]> = {
  takes: ["id", "patch", "options"],
  isRepeatable: without("ifMatch", "ifRevision"),
  async run(handle, id, patch, options) {
    const { ifMatch, ifRevision = null, deep } = parse(optionsSchema, options);
    const { text, isWide } = deep ? handle.json.deepPatch(patch, "patch") : handle.json.patch(patch, "patch");
    const write = deep ? mergeMetadataDeeply : mergeMetadata;
    const [{ metadata, ...row }] = await handle.change(() => write, {
      id: handle.sessionId(id),
      patch: text,
      ifMatch: ifMatch === undefined ? "{}" : handle.json.match(ifMatch, "options.ifMatch"),
      ifRevision,
      ...handle.limits(isWide),
    });
    return { ...toWritten(row), metadata: JSON.parse(metadata) };
  },
};
