import { type EventEmitter, once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Sql } from "postgres";
import type { CallEnd } from "../model/call-end.js";

/** Milliseconds that a statement gets to end once it is cancelled; then the connection is given up with it. */
const CANCEL_TIMEOUT = 2000;

/** The code of a CancelRequest (https://www.postgresql.org/docs/current/protocol-message-formats.html). */
const CANCEL_REQUEST = 80877102;

/** What postgres.js knows of a query and does not declare. */
type Query = ReturnType<Sql["unsafe"]> & {
  /** What runs it; null before it was sent. */
  state: Backend | null;
};

/** The server's process for a connection, and what it takes requests to cancel by. */
interface Backend {
  pid: number;
  secret: number;
}

/** As postgres.js says it; nothing was sent then. */
export const connectionEnded = () =>
  Object.assign(new Error("the connection has ended"), { code: "CONNECTION_ENDED" });

/** One statement, as Drizzle gives it to postgres.js. */
export type SendArgs = Parameters<Sql["unsafe"]>;

/**
 * One connection to the server, for one call or one transaction at a time: a postgres.js client that connects
 * at its first statement, and once. A client that connects again runs the rest of a transaction outside of it,
 * and throws in a timer of its own where it writes to the connection that it has lost.
 */
export interface ServerConnection {
  /** Whether it has ended, from whichever side: nothing can be sent on it any more. */
  readonly lost: boolean;
  /** Settles when the statements that were cancelled have ended, and with them the danger that a cancellation hits another. */
  readonly stopping: Promise<unknown> | undefined;
  /**
   * Sends a statement and answers as postgres.js does; `asValues`: rows as arrays. When the call ends first, the
   * server is asked to cancel it.
   */
  send(args: SendArgs, asValues?: boolean, callEnd?: CallEnd): Promise<unknown>;
  /** Says goodbye to the server, and waits that long for it to hang up. */
  end(timeoutMs: number): Promise<void>;
  /** Ends it at once. */
  destroy(): void;
}

/** @param makeClient makes the postgres.js client, with what this adds to its options */
export function serverConnection(
  makeClient: (own: object) => Sql,
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
    // For what postgres.js was given while the connection ended. Nothing was sent of it.
    if (opened) throw Object.assign(new Error("connection lost"), { code: "ECONNREFUSED" });
    opened = true;
    const socket = await openTracked().catch((error) => {
      lost = true;
      throw error;
    });
    // Not at "close" only: what postgres.js is given between the two it never answers.
    for (const event of ["end", "error", "close"]) {
      socket.once(event, () => {
        lost = true;
      });
    }
    let answered = false;
    socket.once("data", () => {
      answered = true;
    });
    // postgres.js would connect again where something accepts and hangs up, as a container's proxy does while
    // its server is starting.
    socket.once("end", () => {
      const code = answered ? "CONNECTION_CLOSED" : "ECONNREFUSED";
      socket.destroy(Object.assign(new Error("hung up"), { code }));
    });
    return socket;
  }

  const client = makeClient({ socket: open, max: 1, idle_timeout: null, max_lifetime: null });

  function destroy() {
    lost = true;
    client.end({ timeout: 0 }).catch(() => {});
    for (const socket of sockets) socket.destroy();
  }

  /** Asks the server to cancel what the connection runs. It has been asked when this settles. */
  async function cancel({ pid, secret }: Backend) {
    const socket = await openTracked();
    const request = Buffer.alloc(16);
    for (const [index, field] of [16, CANCEL_REQUEST, pid, secret].entries())
      request.writeUInt32BE(field >>> 0, 4 * index);
    socket.resume().write(request);
    await once(socket, "close");
  }

  async function stop(query: Query) {
    // Not sent yet: behind another of its transaction, or the connection is being made.
    if (!query.state) return established ? query.cancel() : destroy();
    const answer = query.catch(() => {});
    const inTime = new AbortController();
    const late = delay(CANCEL_TIMEOUT, undefined, { signal: inTime.signal }).then(destroy, () => {});
    await Promise.race([late, Promise.all([cancel(query.state), answer])]).catch(destroy);
    inTime.abort();
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
        // A stream, on which the server waits for rows, while others would be given the connection.
        (answer as EventEmitter).on("error", () => {});
        destroy();
        throw Object.assign(new Error("COPY is not supported here"), { code: "0A000" });
      } catch (error) {
        // Not sent: the server took no connection, and is about to hang up.
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
