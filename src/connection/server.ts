import type { ServerAddress } from "./database-url.js";
import { packageError } from "./optional-package.js";
import { leaveTypesToDrizzle, overPostgresJs } from "./over-postgres-js.js";
import { openPool } from "./pool.js";
import { poolClient } from "./pool-client.js";
import { serverConnection } from "./server-connection.js";
import { openSocket } from "./socket.js";
import { tlsOptions } from "./tls-options.js";

/** Milliseconds. Less than a call's default deadline of 15 s, so that a silent server shows as unavailable. */
const CONNECT_TIMEOUT = 10_000;
const DEFAULT_MAX = 5;

interface ServerOptions {
  max?: number | undefined;
  pooled?: boolean | undefined;
  statementTimeoutMs: number;
}

/** Within a try block, where a bundler goes on without what it does not find. */
async function loadPostgres() {
  try {
    const { default: postgres } = await import("postgres");
    if (typeof postgres === "function") return postgres;
  } catch (error) {
    throw packageError("postgres", error);
  }
  // webpack in Next.js puts an empty module in place of a missing one.
  throw packageError("postgres", { code: "MODULE_NOT_FOUND" });
}

/** A Drizzle database over a pool of postgres.js connections, each made when a call needs it. */
export async function openServer(address: ServerAddress, options: ServerOptions) {
  const postgres = await loadPostgres();
  const pooled = options.pooled ?? address.pooled;
  const encryption = address.tls === "disable" ? {} : tlsOptions(address);
  const settings = {
    // It finds a port in the text of an IPv6 address, unless both are lists, which its types do not know.
    ...({ host: [address.host], port: [address.port] } as object),
    user: address.user,
    pass: address.password,
    database: address.database,
    // Or PGSSL counts, and it begins TLS on the socket that has it.
    ssl: false,
    connect_timeout: CONNECT_TIMEOUT / 1000,
    fetch_types: false,
    prepare: !pooled,
    onnotice: () => {},
    connection: {
      application_name: "journey-db",
      // pgbouncer refuses it as a startup parameter.
      ...(!pooled && { statement_timeout: options.statementTimeoutMs }),
      ...address.settings,
    },
  };
  const pool = openPool(options.max ?? address.max ?? DEFAULT_MAX, () =>
    serverConnection(
      (own) => {
        const client = postgres({ ...settings, ...own });
        leaveTypesToDrizzle(client);
        return client;
      },
      () => openSocket(address, encryption, CONNECT_TIMEOUT),
    ),
  );
  return { db: overPostgresJs(poolClient(pool)), close: pool.close };
}
