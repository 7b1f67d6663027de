import type { Layout } from "../queries/layout.js";
import { append } from "./append.js";
import { create } from "./create.js";
import { fork } from "./fork.js";
import { moveToRows } from "./move.js";
import { exportBatch, get, getBy, latest, messages, search } from "./read.js";
import { replaceMessages } from "./replace-messages.js";
import { truncate } from "./truncate.js";

/** Messages in rows of a table of their own. */
export const ROWS: Layout = {
  get,
  getBy,
  latest,
  messages,
  search,
  exportBatch,
  append,
  create,
  fork,
  replaceMessages,
  truncate,
  move: (table) => moveToRows(table).statement,
};
