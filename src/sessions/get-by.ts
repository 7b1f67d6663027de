import { ownValues } from "../queries/own-columns.js";
import type { JourneyTable, Where } from "../schema.js";
import { atLeastOne } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { foundSession } from "./rows.js";
import type { Session } from "./types.js";
import { always, type Verb } from "./verb.js";

export interface GetBy<Message, Metadata, Phase extends string, Table extends JourneyTable> {
  /**
   * Returns the user's session whose own columns have these values, with all its messages, or null. If several have
   * them, it is the one that was created last. Values mean the same as in `list({ where })`.
   *
   * @example const session = await sessions.getBy({ runId: "run_1" })
   */
  getBy(where: Where<Table>): Promise<Session<Message, Metadata, Phase, Table> | null>;
}

const filtersSchema = atLeastOne("at least 1 own column");

export const verb: Verb<GetBy<unknown, object, string, JourneyTable>["getBy"]> = {
  takes: ["where"],
  isRepeatable: always,
  async run(handle, given) {
    const { where, texts } = handle.own.filters(given, "where");
    parse(filtersSchema, where, "where");
    return foundSession(handle.own, await handle.send(handle.layout.getBy(where), ownValues(texts)));
  },
};
