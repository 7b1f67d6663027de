import type { Filter, SessionTable } from "../schema.js";
import { type AppendedRow, append, appendOne, appendOneOrCreate, appendOrCreate } from "./append.js";
import type { SessionRow, WrittenRow } from "./columns.js";
import { create } from "./create.js";
import { type ExportRow, exportBatch } from "./export.js";
import { type ForkShape, fork } from "./fork.js";
import { get } from "./get.js";
import { getBy, latest } from "./latest.js";
import { type MessagesRow, messages } from "./messages.js";
import { replaceMessages } from "./replace-messages.js";
import { type FoundRow, search } from "./search.js";
import type { Statement } from "./statement.js";
import { truncate } from "./truncate.js";
import type { Write } from "./write.js";

/** Something for a table. */
export type OfTable<T> = (table: SessionTable) => T;

/** A session's row, or, after it, one of its messages in a row of its own. */
export type ReadRow = SessionRow | MessageRow;

export interface MessageRow {
  summary: null;
  /** As the driver reads json: parsed, or its text. */
  message: unknown;
}

/** What makes another statement of an append. */
export interface AppendShape {
  /** Whether it adds one message, and drops none. */
  one: boolean;
  /** Whether it has the precondition `after`. */
  after: boolean;
  /** Whether it first drops messages. */
  from: boolean;
  /** The keys of the own columns that a new session gets; null if it may not create one. */
  create: readonly string[] | null;
}

/** How the sessions of a table keep their messages: the statements that read or write them. */
export interface Layout {
  get: OfTable<Statement<ReadRow>>;
  getBy(where: Filter[]): OfTable<Statement<ReadRow>>;
  latest: OfTable<Statement<ReadRow>>;
  messages: OfTable<Statement<MessagesRow | MessageRow>>;
  search: OfTable<Statement<FoundRow>>;
  exportBatch: OfTable<Statement<ExportRow>>;
  append(shape: AppendShape): OfTable<Write<AppendedRow>>;
  create(own: readonly string[]): OfTable<Write<SessionRow>>;
  fork(shape: ForkShape): OfTable<Write<ReadRow>>;
  replaceMessages: OfTable<Write<WrittenRow & { messageCount: number; bytes?: number }>>;
  truncate: OfTable<Write<WrittenRow & { messageCount: number }>>;
  /**
   * Moves the messages of a session that has them in the column. Undefined in the column's layout. The
   * statement returns the session's new revision; nothing if it cannot be moved, or is not in the column.
   */
  move?: OfTable<Statement<MovedRow>>;
}

export interface MovedRow {
  id: string;
  /** The session's revision after the move. */
  revision: string;
}

/** Messages in the column `messages` of their session. */
export const COLUMN: Layout = {
  get,
  getBy,
  latest,
  messages,
  search,
  exportBatch,
  append({ one, create }) {
    if (create) return (one ? appendOneOrCreate : appendOrCreate)(create);
    return one ? appendOne : append;
  },
  create,
  fork,
  replaceMessages,
  truncate,
};
