import { toStorable } from "../model/text.js";
import { search } from "../queries/search.js";
import { options, searchTextSchema, sessionLimit } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { readSummary, toSummary } from "./rows.js";
import type { SessionSummary } from "./types.js";
import { always, type Verb } from "./verb.js";

/** Where a text was found. */
export interface SearchHit<Metadata = unknown, Phase extends string = string> {
  session: SessionSummary<Metadata, Phase>;
  /** The newest message of the session that has the text. */
  messageId: string;
  /**
   * The match as it was written, with up to 80 characters of the same part on either side, and an ellipsis (…) where
   * the part continues.
   */
  excerpt: { before: string; match: string; after: string };
}

interface SearchOptions {
  /** Sessions, 1–100. @default 20 */
  limit?: number | undefined;
}

export interface Search<Metadata, Phase extends string> {
  /**
   * Finds the text, matched literally and case-insensitively, in text parts of the user's messages: one hit per
   * session, newest created first. It is looked for within one part, in messages whose id is a text. The database's
   * collation decides which letters are upper and lower case of each other.
   *
   * No index helps: it reads conversations from the newest session on until `limit` of them have the text, or all of
   * them. That took about 10 ms per megabyte of prose.
   *
   * @param text 1–1000 characters
   * @example
   * for (const { session, messageId, excerpt } of await sessions.search("invoice")) …
   */
  search(text: string, options?: SearchOptions): Promise<SearchHit<Metadata, Phase>[]>;
}

const optionsSchema = options<SearchOptions>()({ limit: sessionLimit });

export const verb: Verb<Search<unknown, string>["search"]> = {
  takes: ["text", "options"],
  isRepeatable: always,
  async run(handle, given, options) {
    const text = toStorable(parse(searchTextSchema, given, "text"));
    const rows = await handle.send(search, { text, ...parse(optionsSchema, options) });
    return rows.map(({ messageId, before, match, after, ...row }) => ({
      session: toSummary(readSummary(row)),
      messageId,
      excerpt: { before, match, after },
    }));
  },
};
