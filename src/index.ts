export { type Connection, type ConnectOptions, connect } from "./connection/connect.js";
export type { JourneyMessage, JourneyMetadata, MessageShape } from "./messages.js";
export type { Database } from "./model/database.js";
export { JourneyDbError, type JourneyDbErrorCode } from "./model/errors.js";
export { defineJourney, forUser } from "./sessions/define-journey.js";
export type {
  Appended,
  AppendOptions,
  IfRevision,
  Journey,
  ListOptions,
  MetadataPatch,
  SearchHit,
  Session,
  SessionSummary,
  UserSessions,
  Written,
} from "./sessions/types.js";
export type { Unstorable } from "./validation/json.js";
export type { JourneyOptions, RequestOptions } from "./validation/options.js";
