import type { ExportRow } from "../queries/export.js";
import type { JourneyTable } from "../schema.js";
import type { Place } from "./cursor.js";
import { exportAborted, inRows, leftOut } from "./refusal.js";
import { corruptColumn, readSummary, toSession } from "./rows.js";
import type { Session } from "./types.js";
import { always, type Verb } from "./verb.js";

export interface Export<Message, Metadata, Phase extends string, Table extends JourneyTable> {
  /**
   * All sessions with all their messages, oldest created first. Memory does not grow with their number: it reads
   * batches of about a megabyte, or one larger session.
   *
   * A session that exists during the whole export is returned exactly once, complete, as of the time of its batch. A
   * session that is created or deleted meanwhile may be missing. Each batch is one statement with the handle's
   * deadline; each `for await` starts from the beginning.
   *
   * @example for await (const session of sessions.export()) file.write(`${JSON.stringify(session)}\n`);
   * @throws corrupt after all other sessions, if some had to be left out
   */
  export(): AsyncIterable<Session<Message, Metadata, Phase, Table>>;
}

/** Bytes of text after which a batch ends: a compromise between round trips and memory. */
const BATCH_BYTES = 1024 * 1024;

/** The values of one batch's statement; `id` is null for the first batch. */
type BatchValues = { time: Place["time"]; id: Place["id"] | null; maxBytes: number };

/** All rows of an owner, oldest first, in batches. */
export async function* exportRows(
  batchOf: (values: BatchValues) => Promise<ExportRow[]>,
): AsyncGenerator<ExportRow> {
  let place: Omit<BatchValues, "maxBytes"> = { time: "-infinity", id: null };
  for (;;) {
    const rows = await batchOf({ ...place, maxBytes: BATCH_BYTES });
    yield* rows;
    const last = rows.at(-1);
    if (!last || last.bytes < BATCH_BYTES) return;
    const { createdAt: time, id } = readSummary(last);
    place = { time, id };
  }
}

export const verb: Verb<Export<unknown, object, string, JourneyTable>["export"]> = {
  takes: [],
  isRepeatable: always,
  isStream: true,
  async *run(handle) {
    // Reported at the end, so that corrupt rows do not stop the export of the others.
    let corrupted = 0;
    for await (const row of exportRows((values) =>
      handle.withinDeadline(() => handle.send(handle.layout.exportBatch, values)),
    )) {
      if (handle.signal?.aborted) throw exportAborted();
      const stored = readSummary(row);
      const column = corruptColumn(row, stored);
      if (column === "rows") throw inRows();
      if (column) corrupted++;
      else yield toSession(handle.own, [row], stored);
    }
    if (corrupted > 0) throw leftOut(corrupted);
  },
};
