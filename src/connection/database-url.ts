import { hidesProtection, readTlsSettings, refuse, type TlsSettings } from "./tls-settings.js";

/** The contents of a database URL. */
export interface ServerAddress extends TlsSettings {
  /** A name, an address without brackets, or the folder of a Unix socket, which starts with `/`. */
  host: string;
  port: number;
  /** If user, password or database is empty, PGUSER, PGPASSWORD or PGDATABASE is used. */
  user: string;
  password: string;
  database: string;
  /** Whether the URL seems to be a transaction pooler's. */
  pooled: boolean;
  /** `connection_limit`, a parameter of Prisma's. */
  max: number | undefined;
  /** Startup parameters. */
  settings: Record<string, string>;
}

/** The port of Supabase's transaction pooler. */
const POOLER_PORT = 6543;

/** The parameters that are passed to the server, which refuses unknown ones. */
const STARTUP = ["application_name", "options", "search_path"];

/** The first variable that is not blank, as a line of an .env file may be. */
export function configuredUrl(env: NodeJS.ProcessEnv, ...names: string[]): string | undefined {
  return names.map((name) => env[name]).find((value) => value?.trim());
}

/**
 * Parses a `postgres://` or `postgresql://` URL. Supported parameters are libpq's for encryption, and
 * ssl, host, port, pgbouncer, connection_limit, application_name, options and search_path. Others are
 * ignored, since they are for other programs, unless they look like protection: these are refused. As in
 * libpq, host and port in the query take precedence, and libpq's environment variables for encryption,
 * such as PGSSLMODE, apply if the URL does not set the parameter.
 *
 * @param name where the URL comes from, for errors
 * @throws JourneyDbError configuration, with what was expected, and nothing of the URL except names of parameters
 */
export function parseDatabaseUrl(
  text: string,
  name: string,
  env: NodeJS.ProcessEnv = process.env,
): ServerAddress {
  const example = "postgres://user:password@host:5432/database";
  if (!/^\s*postgres(ql)?:\/\//i.test(text))
    refuse(name, `a postgres:// or postgresql:// URL, without quotes`);
  if (/\[[\w-]*password[\w-]*\]/i.test(text))
    refuse(name, "the password instead of the placeholder in brackets");
  const malformed = () => refuse(name, `${example}, with special characters percent-encoded and one host`);
  // A URL whose query names a socket often has no host after the user, which URL refuses.
  const complete = text.replace(/^([^/]*\/\/[^/?#]*@)(?=[:/?]|$)/, "$1localhost");
  if (!URL.canParse(complete)) malformed();
  const url = new URL(complete);
  // The rest of a password that starts with digits: the part before was taken for host and port.
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
    refuse(name, "? before the first parameter, and & between them");
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
    settings: Object.fromEntries([...query].filter(([key, value]) => STARTUP.includes(key) && value !== "")),
  };
}
