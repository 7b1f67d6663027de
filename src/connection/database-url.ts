import { JourneyDbError } from "../model/errors.js";
import { hidesProtection, readTlsSettings, type TlsSettings } from "./tls-settings.js";

/** What a database URL says, for a driver to connect with. */
export interface ServerAddress extends TlsSettings {
  /** A name, an address without brackets, or the folder of a Unix socket (it starts with `/`). */
  host: string;
  port: number;
  /** Empty where the URL has none, as the next two: then PGUSER, PGPASSWORD and PGDATABASE count. */
  user: string;
  password: string;
  database: string;
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

/** The named variables' first value that is not blank: a line left empty in an .env file is no URL. */
export function configuredUrl(env: NodeJS.ProcessEnv, ...names: string[]): string | undefined {
  return names.map((name) => env[name]).find((value) => value?.trim());
}

/**
 * Reads a `postgres://` or `postgresql://` URL. Its query may say what libpq's may of encryption, and
 * ssl, host, port, pgbouncer, connection_limit, application_name, options and search_path; what else it
 * says is meant for other programs, and left out, unless it looks like protection: then it is refused.
 * As in libpq, host and port in the query count for more, and of encryption the environment counts too
 * (PGSSLMODE and its like) where the URL says nothing.
 *
 * @param name where the URL comes from, for the error
 * @throws JourneyDbError configuration, naming what was expected, never the URL or a part of it but
 *   the name of a parameter
 */
export function parseDatabaseUrl(
  text: string,
  name: string,
  env: NodeJS.ProcessEnv = process.env,
): ServerAddress {
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
  if (`${url.pathname}${url.search}`.includes("@") || url.hash !== "") malformed();
  const decode = (part: string): string => {
    try {
      return decodeURIComponent(part);
    } catch {
      return malformed();
    }
  };

  const query = url.searchParams;
  const last = (key: string) => query.getAll(key).at(-1);
  const database = decode(url.pathname.slice(1));
  if ([database, ...query.values()].some(hidesProtection))
    refuse("? before the first parameter, and & between them");
  const named = last("host") || decode(url.hostname) || "localhost";
  const host = named.replace(/^\[(.*)\]$/, "$1");
  const port = Number(last("port") || url.port || 5432);
  if (host.includes(",") || !(Number.isInteger(port) && port > 0 && port < 65536)) malformed();
  const limit = Number(last("connection_limit"));
  return {
    host,
    port,
    user: decode(url.username),
    password: decode(url.password),
    database,
    ...readTlsSettings(host, query, env, name),
    pooled: port === POOLER_PORT || last("pgbouncer") === "true",
    max: Number.isInteger(limit) && limit >= 1 && limit <= 1000 ? limit : undefined,
    settings: Object.fromEntries([...query].filter(([key, value]) => SETTINGS.includes(key) && value !== "")),
  };
}
