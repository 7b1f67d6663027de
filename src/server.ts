import { readFileSync } from "node:fs";
import { createConnection, isIP, type Socket } from "node:net";
import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import type { ConnectionOptions } from "node:tls";
import type { Sql } from "postgres";
import type { Connection } from "./connect.js";
import type { ServerAddress } from "./database-url.js";
import { JourneyDbError, NO_TLS } from "./errors.js";
import { packageError } from "./need-package.js";
import { overPostgresJs } from "./over-postgres-js.js";

/** Seconds. Less than a call's default deadline of 15 s, so that a silent server shows as unavailable. */
const CONNECT_TIMEOUT = 10;
/** Seconds. Serverless instances give their connections back, and a program that forgets close() still ends. */
const IDLE_TIMEOUT = 20;
/** Milliseconds, for the calls under way and the goodbyes together. */
const CLOSE_TIMEOUT = 5000;
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

/** A Drizzle database over a postgres.js pool, which connects at the first call. */
export async function openServer(address: ServerAddress, options: ServerOptions): Promise<Connection> {
  const postgres = await loadPostgres();
  const pooled = options.pooled ?? address.pooled;
  const sockets = trackedSockets(address);
  // Not in postgres.js's types. It finds a port in the text of an IPv6 address, so the host is a list.
  const untyped: object = { host: [address.host], port: [address.port], socket: sockets.open };
  const client = postgres({
    ...untyped,
    user: address.user,
    pass: address.password,
    database: address.database,
    ssl: tlsOptions(address),
    max: options.max ?? address.max ?? DEFAULT_MAX,
    connect_timeout: CONNECT_TIMEOUT,
    idle_timeout: IDLE_TIMEOUT,
    backoff: reconnectDelay,
    fetch_types: false,
    prepare: !pooled,
    onnotice: () => {},
    connection: {
      application_name: "journey-db",
      // pgbouncer refuses it as a startup parameter.
      ...(!pooled && { statement_timeout: options.statementTimeoutMs }),
      ...address.settings,
    },
  });
  const calls = trackedCalls(client);
  let closing: Promise<void> | undefined;
  const end = async () => {
    const timeIsUp = performance.now() + CLOSE_TIMEOUT;
    // Calls that were made just before are on their way to the client.
    await turn();
    await calls.end(CLOSE_TIMEOUT);
    await client.end({ timeout: Math.max(0, timeIsUp - performance.now()) / 1000 }).catch(() => {});
    sockets.destroy();
  };
  return {
    db: overPostgresJs(client),
    close: () => {
      closing ??= end();
      return closing;
    },
  };
}

/** What postgres.js knows of a query and does not declare. */
interface Query extends Promise<unknown> {
  /** Where it is sent to; null before. */
  state: unknown;
  handler(query: Query): void;
  reject(error: Error): void;
  cancel(): void;
}

/**
 * The calls that a client has and has not answered: its own end() waits for those that it has sent,
 * and forgets those that wait for a connection, whose promises then never settle.
 */
function trackedCalls(client: Sql) {
  const open = new Set<Query>();
  let ended = false;
  const { unsafe } = client;
  const tracked = (...args: Parameters<typeof unsafe>) => {
    const answer = unsafe(...args);
    const query = answer as unknown as Query;
    const { handler } = query;
    query.handler = () => {
      if (ended) return query.reject(hasEnded());
      open.add(query);
      const settled = () => open.delete(query);
      query.then(settled, settled);
      handler(query);
    };
    return answer;
  };
  client.unsafe = tracked as typeof unsafe;
  /** Takes no more calls and waits for those that it has; what is still not sent when the time is up is refused. */
  const end = async (timeout: number) => {
    ended = true;
    const answered = new AbortController();
    const late = delay(timeout, undefined, { signal: answered.signal }).catch(() => {});
    await Promise.race([Promise.allSettled(open), late]);
    answered.abort();
    for (const query of open) {
      if (query.state) continue;
      query.reject(hasEnded());
      // Takes it out of the queue, too.
      query.cancel();
    }
  };
  return { end };
}

/** As postgres.js calls it. */
const hasEnded = () => Object.assign(new Error("the pool has ended"), { code: "CONNECTION_ENDED" });

/**
 * The sockets of a pool, so that all of them can be destroyed: postgres.js only says goodbye, and
 * leaves sockets and timers behind where the server does not answer.
 */
function trackedSockets({ host, port, tls }: ServerAddress) {
  const opened = new Set<Socket>();
  let destroyed = false;
  const open = (): Socket => {
    // A reconnect that was waiting when the pool ended.
    if (destroyed) throw hasEnded();
    const socket = host.startsWith("/")
      ? createConnection({ path: `${host}/.s.PGSQL.${port}` })
      : // Else a second call waits until the server has acknowledged the first (Nagle's algorithm).
        createConnection({ host, port, noDelay: true });
    // postgres.js would connect again at once, and for ever, where something accepts and hangs up,
    // as a container's proxy does while its server is starting.
    socket.once("end", () => {
      if (socket.bytesRead > 0) return;
      socket.destroy(Object.assign(new Error("hung up"), { code: "ECONNREFUSED" }));
    });
    // postgres.js would begin TLS all the same, and the server hang up on it.
    if (tls !== "disable" && tls !== "prefer") {
      socket.once("data", (answer) => {
        if (answer.toString() !== "N") return;
        socket.emit("error", Object.assign(new Error("no TLS"), { code: NO_TLS }));
      });
    }
    for (const old of opened) if (old.destroyed) opened.delete(old);
    opened.add(socket);
    // Where postgres.js looks for the name that the certificate must have.
    return Object.assign(socket, { host });
  };
  const destroy = () => {
    destroyed = true;
    for (const socket of opened) socket.destroy();
  };
  return { open, destroy };
}

/**
 * Seconds to wait after the nth failure. postgres.js goes up to 20, which is longer than a call
 * waits: calls would time out for long after the server is back.
 */
const reconnectDelay = (failures: number) => Math.min(0.1 * 2 ** failures, 1) * (0.5 + Math.random() / 2);

/** libpq's meaning: only `verify-*` look at the certificate, and only `verify-full` at its name. */
function tlsOptions({ tls, host, rootCertificates }: ServerAddress): ConnectionOptions | "prefer" | false {
  if (tls === "disable") return false;
  if (tls === "prefer") return "prefer";
  if (tls === "require" && rootCertificates === undefined) return { rejectUnauthorized: false };
  return {
    rejectUnauthorized: true,
    // An address has no server name to send, and is checked as the host instead.
    ...(isIP(host) && { host }),
    ...(tls !== "verify-full" && { checkServerIdentity: () => undefined }),
    ...(rootCertificates && rootCertificates !== "system" && { ca: readCertificates(rootCertificates) }),
  };
}

function readCertificates(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw new JourneyDbError("configuration", "sslrootcert: expected a file that can be read");
  }
}
