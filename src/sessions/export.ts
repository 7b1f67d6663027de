import type { ExportRow } from "../queries/export.js";
import type { Place } from "./cursor.js";
import { readSummary } from "./rows.js";

/** Bytes of text after which a batch ends. Less would be more round trips, more would be more memory. */
const BATCH_BYTES = 1024 * 1024;

/** What one batch of `queries/export.ts` is asked with. */
type BatchValues = {
  time: Place["time"];
  /** Null before the first session. */
  id: Place["id"] | null;
  maxBytes: number;
};

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
