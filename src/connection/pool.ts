import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import type { CallEnd } from "../model/call-end.js";
import { connectionEnded, type ServerConnection } from "./server-connection.js";

/** Milliseconds. Serverless instances give their connections back, and a program that forgets close() still ends. */
const IDLE_TIMEOUT = 20_000;
/** Milliseconds, for the calls under way and the goodbyes together. */
const CLOSE_TIMEOUT = 5000;
/** Milliseconds after which a connection is made anew, each at a time of its own; a server that moved is found then. */
const lifetime = () => 30 * 60_000 * (1 + Math.random());

/** Connections that calls take turns on. A call that finds all of them busy takes the first that is free again. */
export interface Pool {
  /** Gives `work` a connection alone, until it settles. Not begun where the call ends first. */
  use<T>(work: (connection: ServerConnection) => Promise<T>, callEnd?: CallEnd): Promise<T>;
  /** Takes no more work, waits for what it has, refuses what has not begun in time, and ends all connections. */
  close(): Promise<void>;
}

interface Waiting {
  begin(): void;
  refuse(): void;
}

export function openPool(max: number, connect: () => ServerConnection): Pool {
  const idle: { connection: ServerConnection; timer: NodeJS.Timeout }[] = [];
  const endsAt = new Map<ServerConnection, number>();
  const waiting = new Set<Waiting>();
  const underWay = new Set<Promise<unknown>>();
  let busy = 0;
  let ended = false;
  let closing: Promise<void> | undefined;

  function take(): ServerConnection {
    // The one that was used last: the others may end then.
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
      const entry = { connection, timer: setTimeout(() => expire(), IDLE_TIMEOUT) };
      const expire = () => {
        idle.splice(idle.indexOf(entry), 1);
        retire(connection);
      };
      entry.timer.unref();
      idle.push(entry);
    }
    const [next] = waiting;
    next?.begin();
  }

  function retire(connection: ServerConnection) {
    endsAt.delete(connection);
    void connection.end(CLOSE_TIMEOUT);
  }

  /** The next connection that is free. */
  const turnOf = (callEnd: CallEnd | undefined) =>
    new Promise<ServerConnection>((resolve, reject) => {
      const settle = (how: () => void) => {
        waiting.delete(entry);
        if (callEnd) callEnd.onEnd = undefined;
        how();
      };
      const entry: Waiting = {
        // At once, so that no other call can take it in between.
        begin: () => settle(() => resolve(take())),
        refuse: () => settle(() => reject(connectionEnded())),
      };
      if (callEnd) callEnd.onEnd = entry.refuse;
      waiting.add(entry);
    });

  async function run<T>(work: (connection: ServerConnection) => Promise<T>, callEnd?: CallEnd) {
    if (ended || callEnd?.ended) throw connectionEnded();
    const connection = busy < max ? take() : await turnOf(callEnd);
    try {
      return await work(connection);
    } finally {
      void giveBack(connection);
    }
  }

  async function end() {
    const timeIsUp = performance.now() + CLOSE_TIMEOUT;
    // Calls that were made just before are on their way here.
    await turn();
    ended = true;
    const answered = new AbortController();
    const late = delay(CLOSE_TIMEOUT, undefined, { signal: answered.signal }).catch(() => {});
    await Promise.race([Promise.allSettled(underWay), late]);
    answered.abort();
    for (const { refuse } of waiting) refuse();
    for (const { timer } of idle) clearTimeout(timer);
    const timeLeft = Math.max(0, timeIsUp - performance.now());
    await Promise.all([...endsAt.keys()].map((connection) => connection.end(timeLeft)));
  }

  return {
    use(work, callEnd) {
      const done = run(work, callEnd);
      underWay.add(done);
      const settled = () => underWay.delete(done);
      done.then(settled, settled);
      return done;
    },
    close() {
      closing ??= end();
      return closing;
    },
  };
}
