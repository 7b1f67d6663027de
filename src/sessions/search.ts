import { toStorable } from "../model/text.js";
import type { JourneyTable, journeySessions } from "../schema.js";
import { options, searchTextSchema, sessionLimit } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { inRows } from "./refusal.js";
import { readSummary, toSummary } from "./rows.js";
import type { SessionSummary } from "./types.js";
import { always, type Verb } from "./verb.js";

/** A match of a search. */
export interface SearchHit<
  Metadata = unknown,
  Phase extends string = string,
  Table extends JourneyTable = typeof journeySessions,
> {
  session: SessionSummary<Metadata, Phase, Table>;
  /** The newest message of the session that contains the text. */
  messageId: string;
  /**
   * The match as written, with up to 80 characters of the same part before and after it, and an ellipsis (…) if the
   * part continues.
   */
  excerpt: { before: string; match: string; after: string };
}

interface SearchOptions {
  /** Sessions, 1–100. @default 20 */
  limit?: number | undefined;
}

export interface Search<Metadata, Phase extends string, Table extends JourneyTable> {
  /**
   * Finds the text, matched literally and case-insensitively, in text parts of the user's messages: one hit per
   * session, newest created first. A match never spans two parts. The database's collation defines which letters are
   * upper and lower case of each other.
   *
   * It uses no index for the text: it reads conversations, newest session first, until `limit` of them match. This took
   * about 10 ms per megabyte of prose.
   *
   * @param text 1–1000 characters
   * @example
   * for (const { session, messageId, excerpt } of await sessions.search("invoice")) …
   */
  search(text: string, options?: SearchOptions): Promise<SearchHit<Metadata, Phase, Table>[]>;
}

const optionsSchema = options<SearchOptions>()({ limit: sessionLimit });

export const verb: Verb<Search<object, string, JourneyTable>["search"]> = {
  takes: ["text", "options"],
  isRepeatable: always,
  async run(handle, given, options) {
    const text = toStorable(parse(searchTextSchema, given, "text"));
    const rows = await handle.send(handle.layout.search, { text, ...parse(optionsSchema, options) });
    return rows.map(({ messageId, before, match, after, ...row }) => {
      if (messageId === null) throw inRows();
      return {
        session: toSummary(handle.own, readSummary(row)),
        messageId,
        excerpt: { before, match, after },
      };
    });
  },
};
