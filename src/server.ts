import type { Sql } from "postgres";
import type { Connection } from "./connect.js";
import type { ServerAddress } from "./database-url.js";
import { needPackage } from "./need-package.js";
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

/** A Drizzle database over a pool of postgres.js connections, each made when a call needs it. */
export async function openServer(address: ServerAddress, options: ServerOptions): Promise<Connection> {
  const { default: postgres } = await needPackage("postgres", () => import("postgres"));
  const { drizzle } = await import("drizzle-orm/postgres-js");
  const pooled = options.pooled ?? address.pooled;
  const encryption = address.tls === "disable" ? {} : tlsOptions(address);
  const settings = {
    // It finds a port in the text of an IPv6 address, unless both are lists, which its types do not know.
    ...({ host: [address.host], port: [address.port] } as object),
    user: address.user,
    pass: address.password,
    database: address.database,
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
      (own) => postgres({ ...settings, ...own }),
      client.options,
      () => openSocket(address, encryption, CONNECT_TIMEOUT),
    ),
  );
  const client = poolClient(pool);
  return { db: drizzle({ client: client as unknown as Sql }), close: pool.close };
}
