/**
 * The exports of `@aigos/journey-db/admin`. These calls take no owner: they reach the sessions of all users.
 * Use them in jobs and scripts of an operator, never behind a route: requests go through `forUser`.
 */
export {
  type ConvertLayoutOptions,
  type ConvertLayoutProgress,
  convertLayout,
  type LayoutConverted,
  type NotConverted,
} from "./admin/convert-layout.js";
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
