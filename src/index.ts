export { type Connection, type ConnectOptions, connect } from "./connect.js";
export type { Database } from "./database.js";
export { JourneyDbError, type JourneyDbErrorCode } from "./errors.js";
export type { Unstorable } from "./json.js";
export type { JourneyMessage, JourneyMetadata, MessageShape } from "./messages.js";
export type { JourneyOptions, RequestOptions } from "./options.js";
export { defineJourney, forUser } from "./sessions.js";
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
} from "./user-sessions.js";
