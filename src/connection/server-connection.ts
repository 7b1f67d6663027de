import { type EventEmitter, once } from "node:events";
import type { Socket } from "node:net";
import type { Sql } from "postgres";
import type { CallEnd } from "../model/call-end.js";
import { settlesWithin } from "./settles-within.js";

/** Milliseconds until a cancelled statement must have ended; otherwise its connection is destroyed. */
const CANCEL_TIMEOUT = 2000;

/** The code of a CancelRequest (https://www.postgresql.org/docs/current/protocol-message-formats.html). */
const CANCEL_REQUEST = 80877102;

/** A query of postgres.js, with an undeclared property: the server's process, null before the query is sent. */
type Query = ReturnType<Sql["unsafe"]> & { state: Backend | null };

/** A server process, and the secret that a request to cancel its statement must contain. */
interface Backend {
  pid: number;
  secret: number;
}

/** The error of postgres.js that means that nothing was sent. */
export const connectionEnded = () =>
  Object.assign(new Error("the connection has ended"), { code: "CONNECTION_ENDED" });

/** A statement, as Drizzle passes it to postgres.js. */
export type SendArgs = Parameters<Sql["unsafe"]>;

/**
 * A connection to the server, for one call or one transaction at a time: a postgres.js client that connects
 * once, at its first statement. A client that reconnects would run the rest of a transaction outside of it,
 * and throw in a timer of its own when it writes to the lost connection.
 */
export interface ServerConnection {
  /** Whether either side has ended it: nothing more can be sent. */
  readonly lost: boolean;
  /** Settles when the cancelled statements have ended, so that no cancellation can hit another statement. */
  readonly stopping: Promise<unknown> | undefined;
  /** Sends a statement and returns what postgres.js does; `asValues`: rows as arrays. If the call ends first, the server cancels it. */
  send(args: SendArgs, asValues?: boolean, callEnd?: CallEnd): Promise<unknown>;
  /** Disconnects, and waits at most that long for the server to do so too. */
  end(timeoutMs: number): Promise<void>;
  /** Closes the socket immediately. */
  destroy(): void;
}

/** @param createClient creates the postgres.js client with these additional options */
export function serverConnection(
  createClient: (options: object) => Sql,
  openSocket: () => Promise<Socket>,
): ServerConnection {
  const sockets = new Set<Socket>();
  let opened = false;
  let established = false;
  let lost = false;
  let stopping: Promise<unknown> | undefined;

  async function openTracked(): Promise<Socket> {
    if (lost) throw connectionEnded();
    const socket = await openSocket();
    if (lost) {
      socket.destroy();
      throw connectionEnded();
    }
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    return socket;
  }

  async function open(): Promise<Socket> {
    // postgres.js reconnects for statements that it got while the connection ended. Nothing of them was sent.
    if (opened) throw Object.assign(new Error("connection lost"), { code: "ECONNREFUSED" });
    opened = true;
    const socket = await openTracked().catch((error) => {
      lost = true;
      throw error;
    });
    // Not only at "close": postgres.js never settles what it gets between "end" and "close".
    for (const event of ["end", "error", "close"]) {
      socket.once(event, () => {
        lost = true;
      });
    }
    let answered = false;
    socket.once("data", () => {
      answered = true;
    });
    // postgres.js would reconnect endlessly to something that accepts and hangs up, as a container's proxy does
    // while its server starts.
    socket.once("end", () => {
      const code = answered ? "CONNECTION_CLOSED" : "ECONNREFUSED";
      socket.destroy(Object.assign(new Error("hung up"), { code }));
    });
    return socket;
  }

  const client = createClient({ socket: open, max: 1, idle_timeout: null, max_lifetime: null });

  function destroy() {
    lost = true;
    client.end({ timeout: 0 }).catch(() => {});
    for (const socket of sockets) socket.destroy();
  }

  /** Asks the server to cancel the running statement. Settles when the server has the request. */
  async function cancel({ pid, secret }: Backend) {
    const socket = await openTracked();
    const request = Buffer.alloc(16);
    for (const [index, field] of [16, CANCEL_REQUEST, pid, secret].entries())
      request.writeUInt32BE(field >>> 0, 4 * index);
    socket.resume().write(request);
    await once(socket, "close");
  }

  async function stop(query: Query) {
    // Not sent yet: it waits for another of its transaction, or for the connection.
    if (!query.state) return established ? query.cancel() : destroy();
    const cancelled = Promise.all([cancel(query.state), query.catch(() => {})]).catch(destroy);
    if (!(await settlesWithin(CANCEL_TIMEOUT, cancelled))) destroy();
  }

  return {
    get lost() {
      return lost;
    },
    get stopping() {
      return stopping;
    },
    async send(args, asValues, callEnd) {
      if (stopping) await stopping;
      if (lost) throw Object.assign(new Error("connection lost"), { code: "CONNECTION_CLOSED" });
      if (callEnd?.ended) throw connectionEnded();
      const query = client.unsafe(...args) as Query;
      if (callEnd) {
        callEnd.onEnd = () => {
          stopping = Promise.all([stopping, stop(query)]);
        };
      }
      try {
        const answer: unknown = await (asValues ? query.values() : query);
        established = true;
        if (Array.isArray(answer)) return answer;
        // A stream: the server waits for rows on a connection that others would get.
        (answer as EventEmitter).on("error", () => {});
        destroy();
        throw Object.assign(new Error("COPY is not supported here"), { code: "0A000" });
      } catch (error) {
        // Not sent: the server refused the connection, and is about to hang up.
        if (!query.state && !established) destroy();
        throw error;
      } finally {
        if (callEnd) callEnd.onEnd = undefined;
      }
    },
    async end(timeoutMs) {
      await client.end({ timeout: timeoutMs / 1000 }).catch(() => {});
      destroy();
    },
    destroy,
  };
}
