import { LONGEST_MARKER } from "../queries/conversation.js";

/** Bytes of a session's messages in the column, as stored, from which on rows pay off most. */
export const LARGE_SESSION_BYTES = 1_000_000;

/** Whether a session keeps its messages in rows, as SQL that does not read a long conversation. */
export const isMarked = (messages: string): string =>
  `(case when pg_column_size(${messages}) < ${LONGEST_MARKER} then jsonb_typeof(${messages} -> 'rows') is not distinct from 'number' else false end)`;
