import type { Host, ServerAddress } from "./database-url.js";
import { serverListener } from "./listen.js";
import { packageError } from "./optional-package.js";
import { leaveTypesToDrizzle, overPostgresJs } from "./over-postgres-js.js";
import { openPool } from "./pool.js";
import { poolClient } from "./pool-client.js";
import { serverConnection } from "./server-connection.js";
import { openSocket } from "./socket.js";
import { tlsOptions } from "./tls-options.js";
import { anyServer } from "./writable-server.js";

/** Milliseconds. Less than the default deadline of a call, 15 s, so that a silent server is unavailable and not a timeout. */
const CONNECT_TIMEOUT = 10_000;
const DEFAULT_MAX = 5;

interface ServerOptions {
  max?: number | undefined;
  pooled?: boolean | undefined;
  statementTimeoutMs: number;
  schema?: Record<string, unknown> | undefined;
}

/** In a try block, so that bundlers accept that it is missing. */
async function loadPostgres() {
  try {
    const { default: postgres } = await import("postgres");
    if (typeof postgres === "function") return postgres;
  } catch (error) {
    throw packageError("postgres", error);
  }
  // Next.js's webpack replaces a missing module by an empty one.
  throw packageError("postgres", { code: "MODULE_NOT_FOUND" });
}

/** A Drizzle database over a pool of postgres.js connections, which are opened on demand. */
export async function openServer(address: ServerAddress, options: ServerOptions) {
  const postgres = await loadPostgres();
  const pooled = options.pooled ?? address.pooled;
  const settings = {
    // In arrays, which its types lack: postgres.js would take the end of an IPv6 address for a port.
    ...({ host: [address.host], port: [address.port] } as object),
    user: address.user,
    pass: address.password,
    database: address.database,
    // Otherwise postgres.js reads PGSSL, and starts TLS over the TLS of the socket.
    ssl: false,
    connect_timeout: CONNECT_TIMEOUT / 1000,
    fetch_types: false,
    prepare: !pooled,
    onnotice: () => {},
    connection: {
      application_name: "journey-db",
      // A pooler's connections are shared, and pgbouncer refuses the first of these.
      ...(!pooled && {
        statement_timeout: options.statementTimeoutMs,
        // An engine that passes statements on as text writes dates and strings as these say, for servers that read them
        // as theirs say: with "SQL, DMY", 3 February was stored as 2 March.
        DateStyle: "ISO",
        standard_conforming_strings: "on",
      }),
      ...address.settings,
    },
  };
  const connectTo = (host: Host) => {
    const encryption = host.tls === "disable" ? {} : tlsOptions(host);
    return (reports: object = {}) =>
      serverConnection(
        (own) => {
          const client = postgres({ ...settings, ...reports, ...own });
          leaveTypesToDrizzle(client);
          return client;
        },
        () => openSocket(host, encryption, CONNECT_TIMEOUT),
      );
  };
  const { others, writable } = address;
  const first = connectTo(address);
  const connection =
    others.length > 0 || writable ? anyServer([first, ...others.map(connectTo)], writable) : first;
  const pool = openPool(options.max ?? address.max ?? DEFAULT_MAX, () => connection());
  const listener = serverListener(connection);
  return {
    db: overPostgresJs(poolClient(pool), options.schema),
    // A pooler gives the connection to others after each transaction, and their notifications are lost.
    listener: pooled ? undefined : listener,
    async close() {
      await Promise.all([pool.close(), listener.close()]);
    },
  };
}
