import type { ExportRow } from "../queries/export.js";
import { exportBatch } from "../queries/export.js";
import type { Place } from "./cursor.js";
import { exportAborted, leftOut } from "./refusal.js";
import { corruptColumn, readSummary, toSession } from "./rows.js";
import type { Session } from "./types.js";
import { always, type Verb } from "./verb.js";

export interface Export<Message, Metadata, Phase extends string> {
  /**
   * All sessions with all their messages, oldest created first, in memory that does not grow with their number: it
   * reads about a megabyte at a time, or one session that is larger.
   *
   * A session that exists from beginning to end comes exactly once, whole, as it was at one moment, each batch at its
   * own. One that is created or deleted meanwhile may come or not. Each batch is one statement with the handle's
   * deadline; each `for await` starts again.
   *
   * @example for await (const session of sessions.export()) file.write(`${JSON.stringify(session)}\n`);
   * @throws corrupt after all others have come, if sessions had to be left out
   */
  export(): AsyncIterable<Session<Message, Metadata, Phase>>;
}

/** Bytes of text after which a batch ends. Less would be more round trips, more would be more memory. */
const BATCH_BYTES = 1024 * 1024;

/** What one batch is asked with; `id` is null before the first session. */
type BatchValues = { time: Place["time"]; id: Place["id"] | null; maxBytes: number };

/** All rows of an owner, oldest first, one batch after the other: each from where the one before ended. */
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

export const verb: Verb<Export<unknown, unknown, string>["export"]> = {
  takes: [],
  isRepeatable: always,
  isStream: true,
  async *run(handle) {
    // Rows that are no sessions are reported at the end, so that they keep back nothing that is one.
    let corrupted = 0;
    for await (const row of exportRows((values) => handle.batch(() => handle.send(exportBatch, values)))) {
      if (handle.signal?.aborted) throw exportAborted();
      const stored = readSummary(row);
      if (corruptColumn(row, stored)) corrupted++;
      else yield toSession(row, stored);
    }
    if (corrupted > 0) throw leftOut(corrupted);
  },
};
