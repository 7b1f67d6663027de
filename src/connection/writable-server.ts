import { setTimeout as delay } from "node:timers/promises";
import { connectionEnded, type SendArgs, type ServerConnection } from "./server-connection.js";

/** What a server says of itself: null instead of the timeline if it accepts no writes. */
const TIMELINE: SendArgs = [
  "select case when not pg_is_in_recovery() and not current_setting('transaction_read_only')::boolean then substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end as timeline",
];

const READ_ONLY = "25006";
const readOnly = () => Object.assign(new Error("the server accepts no writes"), { code: READ_ONLY });
/** Opens a connection, which reports to these functions. */
type Server = (reports?: object) => ServerConnection;

/** Milliseconds for which a server may answer later than another one. */
const GRACE = 1_000;

/** An error that means that nothing was sent. */
const outdated = () =>
  Object.assign(new Error("another server was promoted since"), { code: "ECONNREFUSED" });

/**
 * Connects to one of several servers, the first that can be reached or, if `writable`, the one that accepts writes. It
 * stays with that one until it fails. Of two that accept writes it takes the one with the higher timeline, which increases
 * when a standby is promoted: the former primary that comes back gets no more writes.
 */
export function anyServer(servers: readonly Server[], writable: boolean): Server {
  let chosen: Server | undefined;
  let electing: Promise<Server> | undefined;
  let newest = "";

  /** Connects, and finds out whether the server will do. */
  async function open(server: Server, reports: object | undefined) {
    const connection = server(reports);
    try {
      const [row] = (await connection.send(writable ? TIMELINE : ["select '' as timeline"])) as [
        { timeline: string | null },
      ];
      const { timeline } = row;
      if (timeline === null) throw readOnly();
      if (timeline < newest) throw outdated();
      newest = timeline;
      return { connection, timeline };
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  /** Asks all servers at once, so that the newest primary is found, and a silent server keeps nobody waiting. */
  async function elect(): Promise<Server> {
    const found = new Map<Server, string>();
    const failures: { code?: unknown }[] = [];
    const asked = servers.map(async (server) => {
      const { connection, timeline } = await open(server, undefined).catch((error) => {
        failures.push(error);
        throw error;
      });
      found.set(server, timeline);
      void connection.end(0);
    });
    const oneFound = Promise.any(asked).then(
      () => delay(GRACE, undefined, { ref: false }),
      () => {},
    );
    await Promise.race([Promise.allSettled(asked), oneFound]);
    // In their order, since several may have the same timeline.
    const best = servers.find((server) => found.get(server) === newest);
    if (best) return best;
    throw failures.find(({ code }) => code !== READ_ONLY) ?? failures[0];
  }

  async function choose(reports: object | undefined): Promise<ServerConnection> {
    if (chosen) {
      try {
        return (await open(chosen, reports)).connection;
      } catch {
        chosen = undefined;
      }
    }
    electing ??= elect().finally(() => {
      electing = undefined;
    });
    const server = await electing;
    const { connection } = await open(server, reports);
    chosen = server;
    return connection;
  }

  return (reports) => {
    let inner: ServerConnection | undefined;
    let choosing: Promise<ServerConnection> | undefined;
    let ended = false;
    return {
      get lost() {
        return ended || (inner?.lost ?? false);
      },
      get stopping() {
        return inner?.stopping;
      },
      async send(...args) {
        if (!inner) {
          choosing ??= choose(reports);
          try {
            inner = await choosing;
          } catch (error) {
            ended = true;
            throw error;
          }
          if (ended) inner.destroy();
        }
        if (ended) throw connectionEnded();
        try {
          return await inner.send(...args);
        } catch (error) {
          // The server has become a standby.
          if ((error as { code?: unknown }).code === READ_ONLY && writable) inner.destroy();
          throw error;
        }
      },
      async end(timeoutMs) {
        ended = true;
        await inner?.end(timeoutMs);
      },
      destroy() {
        ended = true;
        inner?.destroy();
      },
    };
  };
}
