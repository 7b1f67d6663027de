import * as z from "zod";
import { type ListOrder, list } from "../queries/list.js";
import { ownValues } from "../queries/own-columns.js";
import type { JourneyTable, journeySessions, Where } from "../schema.js";
import { options, sessionLimit } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { decodeCursor, encodeCursor } from "./cursor.js";
import { readSummary, toSummary } from "./rows.js";
import type { SessionSummary } from "./types.js";
import { always, type Verb } from "./verb.js";

export interface ListOptions<
  Phase extends string = string,
  Table extends JourneyTable = typeof journeySessions,
> {
  /** Sessions per page, 1–100. @default 20 */
  limit?: number | undefined;
  /** `nextCursor` of the previous page, with the same `orderBy`. */
  cursor?: string | undefined;
  /** Newest first by this time. `updated` sorts all of the owner's sessions for each page. @default "created" */
  orderBy?: ListOrder | undefined;
  /** Only sessions in this phase. */
  phase?: Phase | undefined;
  /** Only sessions whose own columns have these values: null means IS NULL, and an array means any of its values. */
  where?: Where<Table> | undefined;
  /** Only sessions whose metadata contains this object, as defined by `@>` of PostgreSQL: `{ tags: ["a"] }` also finds `{ tags: ["a", "b"] }`. */
  metadata?: object | undefined;
}

export interface List<Metadata, Phase extends string, Table extends JourneyTable> {
  /**
   * A page of sessions without their messages, newest first. New sessions do not shift the pages. With
   * `orderBy: "updated"`, a session that is written to meanwhile moves to the front.
   */
  list(options?: ListOptions<Phase, Table>): Promise<{
    sessions: SessionSummary<Metadata, Phase, Table>[];
    /** Absent on the last page. */
    nextCursor?: string;
  }>;
}

const optionsSchema = options<ListOptions>()({
  limit: sessionLimit,
  cursor: z.string().optional(),
  orderBy: z.enum(["created", "updated"]).default("created"),
  phase: z.unknown().optional(),
  where: z.unknown().optional(),
  metadata: z.unknown().optional(),
});

const NO_FILTERS = { where: [], texts: {} };

export const verb: Verb<List<object, string, JourneyTable>["list"]> = {
  takes: ["options"],
  isRepeatable: always,
  async run(handle, options) {
    const { limit, cursor, orderBy, ...given } = parse(optionsSchema, options);
    const phase = handle.phase(given.phase, "options.phase") ?? null;
    const place = cursor === undefined ? undefined : decodeCursor(orderBy, cursor);
    const { where, texts } =
      given.where === undefined ? NO_FILTERS : handle.own.filters(given.where, "options.where");
    const metadata =
      given.metadata === undefined ? null : handle.json.contained(given.metadata, "options.metadata");
    const statement = list({
      order: orderBy,
      after: place !== undefined,
      inPhase: phase !== null,
      metadata: metadata !== null,
      where,
    });
    // One more row tells whether there is a next page.
    const values = { ...place, limit: limit + 1, phase, metadata, ...ownValues(texts) };
    const rows = await handle.send(statement, values);
    const page = rows.slice(0, limit).map(readSummary);
    const last = rows.length > limit && page.at(-1);
    return {
      sessions: page.map((stored) => toSummary(handle.own, stored)),
      ...(last && { nextCursor: encodeCursor(orderBy, { time: last[`${orderBy}At`], id: last.id }) }),
    };
  },
};
