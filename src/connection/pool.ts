import { setImmediate as turn } from "node:timers/promises";
import type { CallEnd } from "../model/call-end.js";
import { connectionEnded, type ServerConnection } from "./server-connection.js";
import { settlesWithin } from "./settles-within.js";

/** Milliseconds. Idle serverless instances hold no connections, and a program that forgets close() still ends. */
const IDLE_TIMEOUT = 20_000;
/** Milliseconds, for running calls and disconnecting together. */
const CLOSE_TIMEOUT = 5000;
/** Milliseconds until a connection is replaced, which finds a server that has moved. Random, so that not all are replaced at once. */
const lifetime = () => 30 * 60_000 * (1 + Math.random());

/** A pool of connections. If all are busy, a call waits for the first that becomes free. */
export interface Pool {
  /** Gives `work` exclusive use of a connection until it settles. It does not start if the call ends first. */
  use<T>(work: (connection: ServerConnection) => Promise<T>, callEnd?: CallEnd): Promise<T>;
  /** Accepts no more work, waits for running work, refuses what has not started in time, and ends all connections. */
  close(): Promise<void>;
}

export function openPool(max: number, connect: () => ServerConnection): Pool {
  const idle: { connection: ServerConnection; timer: NodeJS.Timeout }[] = [];
  const endsAt = new Map<ServerConnection, number>();
  /** Gives each waiting call a connection, or refuses it. */
  const waiting = new Set<(isFree: boolean) => void>();
  const running = new Set<Promise<unknown>>();
  let busy = 0;
  let ended = false;
  let closing: Promise<void> | undefined;

  function take(): ServerConnection {
    // The most recently used, so that the others can expire.
    for (let last = idle.pop(); last; last = idle.pop()) {
      clearTimeout(last.timer);
      if (!last.connection.lost) {
        busy++;
        return last.connection;
      }
      endsAt.delete(last.connection);
    }
    const connection = connect();
    busy++;
    endsAt.set(connection, performance.now() + lifetime());
    return connection;
  }

  async function giveBack(connection: ServerConnection) {
    await connection.stopping;
    busy--;
    if (connection.lost) endsAt.delete(connection);
    else if (performance.now() > (endsAt.get(connection) ?? 0)) retire(connection);
    else {
      const timer = setTimeout(() => {
        idle.splice(idle.indexOf(entry), 1);
        retire(connection);
      }, IDLE_TIMEOUT).unref();
      const entry = { connection, timer };
      idle.push(entry);
    }
    const [next] = waiting;
    next?.(true);
  }

  function retire(connection: ServerConnection) {
    endsAt.delete(connection);
    void connection.end(CLOSE_TIMEOUT);
  }

  const nextFree = (callEnd: CallEnd | undefined) =>
    new Promise<ServerConnection>((resolve, reject) => {
      const settle = (isFree: boolean) => {
        waiting.delete(settle);
        if (callEnd) callEnd.onEnd = undefined;
        // Synchronously, so that no other call can take the connection first.
        if (isFree) resolve(take());
        else reject(connectionEnded());
      };
      if (callEnd) callEnd.onEnd = () => settle(false);
      waiting.add(settle);
    });

  async function run<T>(work: (connection: ServerConnection) => Promise<T>, callEnd?: CallEnd) {
    if (ended || callEnd?.ended) throw connectionEnded();
    const connection = busy < max ? take() : await nextFree(callEnd);
    try {
      return await work(connection);
    } finally {
      void giveBack(connection);
    }
  }

  async function end() {
    const deadline = performance.now() + CLOSE_TIMEOUT;
    // Calls that were made just before have not reached the pool yet.
    await turn();
    ended = true;
    await settlesWithin(CLOSE_TIMEOUT, Promise.allSettled(running));
    for (const settle of waiting) settle(false);
    for (const { timer } of idle) clearTimeout(timer);
    const timeLeft = Math.max(0, deadline - performance.now());
    await Promise.all([...endsAt.keys()].map((connection) => connection.end(timeLeft)));
  }

  return {
    use(work, callEnd) {
      const done = run(work, callEnd);
      running.add(done);
      const settled = () => running.delete(done);
      done.then(settled, settled);
      return done;
    },
    close() {
      closing ??= end();
      return closing;
    },
  };
}
