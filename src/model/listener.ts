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

const listeners = new WeakMap<Database, Listener>();

/** The listener of a database that `connect` has opened. */
export const listenerOf = (db: Database): Listener | undefined => listeners.get(db);

export const setListener = (db: Database, listener: Listener): void => void listeners.set(db, listener);

const closings = new WeakMap<Database, AbortSignal>();

/** Aborted when a database that `connect` has opened is closed. */
export const closingOf = (db: Database): AbortSignal | undefined => closings.get(db);

export const setClosing = (db: Database, signal: AbortSignal): void => void closings.set(db, signal);
