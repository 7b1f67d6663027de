/**
 * The public names of `@aigos/journey-db/admin`. Nothing here has an owner: each call reaches the
 * sessions of all users. It belongs in jobs and scripts that an operator runs, and never behind a
 * route: what a request may do goes through `forUser`.
 */
export {
  type Converted,
  type ConvertMessagesOptions,
  type ConvertMessagesProgress,
  convertMessages,
} from "./admin/convert-messages.js";
export { type Pruned, type PruneOptions, type PruneProgress, prune } from "./admin/prune.js";
export {
  type Repaired,
  type RepairJsonOptions,
  type RepairJsonProgress,
  repairJson,
} from "./admin/repair-json.js";
export { type Stats, type StatsOptions, stats } from "./admin/stats.js";
export { type TransferOptions, type Transferred, transfer } from "./admin/transfer.js";
