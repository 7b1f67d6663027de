/** The public names of `@aigos/journey-db/migrate`: apart from index, because they read the shipped files, which a bundler would lose. */
export { type DistributeOptions, type DistributionPlan, distribute } from "./maintenance/distribute.js";
export {
  type MigrateOptions,
  type Migration,
  migrate,
  type PendingOptions,
  pendingMigrations,
  toScript,
} from "./maintenance/migrate.js";
export { type TableSqlOptions, tableSql } from "./maintenance/table-sql.js";
export { type Finding, type FindingCode, type VerifyOptions, verify } from "./maintenance/verify/verify.js";
export type { OptionalMigrations } from "./validation/options.js";
