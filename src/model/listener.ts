import type { Database } from "./database.js";

/**
 * Receives the server's notifications, on a connection of its own. A postgres.js client is one, if it is connected to
 * the server directly: a transaction pooler passes no notifications on.
 */
export interface Listener {
  /**
   * @param onNotify called for each notification, with its text
   * @param onListen called whenever notifications arrive from then on: those before may be lost
   */
  listen(
    channel: string,
    onNotify: (payload: string) => void,
    onListen?: () => void,
  ): Promise<{ unlisten(): Promise<void> }>;
}

/** Of the database itself: a bundler may load this module more than once, as Next.js does for pages and for route handlers. */
const OPENED = Symbol.for("@aigos/journey-db/opened");

/** What `connect` gives along with a database. */
export interface Opened {
  /** Undefined behind a transaction pooler. */
  listener?: Listener | undefined;
  /** Aborted when the database is closed. */
  closing: AbortSignal;
}

/** Undefined for a database of the application's, and for a transaction. */
export const openedOf = (db: Database & { [OPENED]?: Opened }): Opened | undefined => db[OPENED];

export const setOpened = (db: Database, opened: Opened): void =>
  void Object.defineProperty(db, OPENED, { value: opened });
