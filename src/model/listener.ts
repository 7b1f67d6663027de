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
const LISTENER = Symbol.for("@aigos/journey-db/listener");

/** The listener of a database that `connect` has opened. */
export const listenerOf = (db: Database & { [LISTENER]?: Listener }): Listener | undefined => db[LISTENER];

export const setListener = (db: Database, listener: Listener): void =>
  void Object.defineProperty(db, LISTENER, { value: listener });
