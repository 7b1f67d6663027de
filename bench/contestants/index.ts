import { aiSdkThreads } from "./ai-sdk-threads.js";
import { bareInsert } from "./bare-insert.js";
import type { Contestant } from "./contestant.js";
import { floor } from "./floor.js";
import { langgraph } from "./langgraph.js";
import { mastra } from "./mastra.js";
import { messageAndParts } from "./message-and-parts.js";
import { direct, pooled } from "./ours.js";
import { overwriteAll } from "./overwrite-all.js";
import { readMergeWrite } from "./read-merge-write.js";
import { rowPerMessage } from "./row-per-message.js";
import { voltagent } from "./voltagent.js";

/** In the order of the tables. */
export const contestants: readonly Contestant[] = [
  ...direct,
  floor,
  bareInsert,
  ...pooled,
  mastra,
  voltagent,
  langgraph,
  aiSdkThreads,
  rowPerMessage,
  messageAndParts,
  overwriteAll,
  readMergeWrite,
];
