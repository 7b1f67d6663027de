import { JourneyDbError } from "./errors.js";

/** How the connection is encrypted, in libpq's words for `sslmode`; `verify-*` also check the certificate. */
type Tls = "disable" | "prefer" | "require" | "verify-ca" | "verify-full";

/** What a database URL says, for a driver to connect with. */
export interface ServerAddress {
  /** A name, an address without brackets, or the folder of a Unix socket (it starts with `/`). */
  host: string;
  port: number;
  /** Empty where the URL has none, as the next two: then PGUSER, PGPASSWORD and PGDATABASE count. */
  user: string;
  password: string;
  database: string;
  tls: Tls;
  /** File with the certificates to trust instead of the system's. */
  rootCertificates: string | undefined;
  /** Whether the URL looks like a transaction pooler's. */
  pooled: boolean;
  /** `connection_limit`, as Prisma's URLs carry it. */
  max: number | undefined;
  /** Settings to start the session with. */
  settings: Record<string, string>;
}

/** The port of Supabase's transaction pooler. */
const POOLER_PORT = 6543;

/** The only parameters that go to the server as they are. It refuses those that it does not know. */
const SETTINGS = ["application_name", "options", "search_path"];

/** `sslmode` as libpq reads it, and `ssl` as JavaScript drivers do. */
const TLS: Record<string, Tls> = {
  disable: "disable",
  false: "disable",
  allow: "prefer",
  prefer: "prefer",
  require: "require",
  "no-verify": "require",
  true: "require",
  "verify-ca": "verify-ca",
  "verify-full": "verify-full",
};

/** The named variables' first value that is not blank: a line left empty in an .env file is no URL. */
export function configuredUrl(env: NodeJS.ProcessEnv, ...names: string[]): string | undefined {
  return names.map((name) => env[name]).find((value) => value?.trim());
}

/**
 * Reads a `postgres://` or `postgresql://` URL. Its query may say sslmode (or ssl), sslrootcert,
 * host, port, pgbouncer, connection_limit, application_name, options and search_path; what else it
 * says is meant for other programs, and left out. As in libpq, host and port in the query count for more.
 *
 * @param name where the URL comes from, for the error
 * @throws JourneyDbError configuration, naming what was expected, never the URL or a part of it
 */
export function parseDatabaseUrl(text: string, name: string): ServerAddress {
  const refuse = (expected: string): never => {
    throw new JourneyDbError("configuration", `${name}: expected ${expected}`);
  };
  const example = "postgres://user:password@host:5432/database";
  if (!/^\s*postgres(ql)?:\/\//i.test(text)) refuse(`a postgres:// or postgresql:// URL, without quotes`);
  if (/\[[\w-]*password[\w-]*\]/i.test(text)) refuse("the password in place of the placeholder in brackets");
  const malformed = () => refuse(`${example}, with special characters percent-encoded and one host`);
  // No host after the user is usual where the query names a socket, and more than URL allows.
  const complete = text.replace(/^([^/]*\/\/[^/?#]*@)(?=[:/?]|$)/, "$1localhost");
  if (!URL.canParse(complete)) malformed();
  const url = new URL(complete);
  // The rest of a password that began with digits: what stands before it was taken for host and port.
  if (`${url.pathname}${url.search}${url.hash}`.includes("@")) malformed();
  const decode = (part: string): string => {
    try {
      return decodeURIComponent(part);
    } catch {
      return malformed();
    }
  };

  const query = url.searchParams;
  const named = query.get("host") || decode(url.hostname) || "localhost";
  const host = named.replace(/^\[(.*)\]$/, "$1");
  const port = Number(query.get("port") || url.port || 5432);
  if (host.includes(",") || !(Number.isInteger(port) && port > 0 && port < 65536)) malformed();
  const mode = query.get("sslmode") ?? query.get("ssl") ?? (isLocal(host) ? "disable" : "prefer");
  const tls = TLS[mode] ?? refuse("an sslmode of disable, prefer, require, verify-ca or verify-full");
  const limit = Number(query.get("connection_limit"));
  return {
    host,
    port,
    user: decode(url.username),
    password: decode(url.password),
    database: decode(url.pathname.slice(1)),
    tls: host.startsWith("/") ? "disable" : tls,
    rootCertificates: query.get("sslrootcert") ?? undefined,
    pooled: port === POOLER_PORT || query.get("pgbouncer") === "true",
    max: Number.isInteger(limit) && limit >= 1 && limit <= 1000 ? limit : undefined,
    settings: Object.fromEntries([...query].filter(([key, value]) => SETTINGS.includes(key) && value !== "")),
  };
}

const isLocal = (host: string): boolean => /^(localhost$|127\.|::1$|\/)/i.test(host);
