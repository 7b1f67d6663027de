import { hidesProtection, readTlsSettings, refuse, type TlsSettings } from "./tls-settings.js";

/** Where a server is, and how to encrypt the connection to it. */
export interface Host extends TlsSettings {
  /** A name, an address without brackets, or the folder of a Unix socket, which starts with `/`. */
  host: string;
  port: number;
}

/** The contents of a database URL. Host and port are those of its first server. */
export interface ServerAddress extends Host {
  /** The servers after the first. */
  others: readonly Host[];
  /** Whether only a server will do that accepts writes. */
  writable: boolean;
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

/** libpq's values of target_session_attrs: those that are supported, and whether they ask for a server that accepts writes. */
const ATTRIBUTES: Record<string, boolean> = { any: false, "read-write": true, primary: true };

/** The parameters that are passed to the server, which refuses unknown ones. */
const STARTUP = ["application_name", "options", "search_path"];

/** The first variable that is not blank, as a line of an .env file may be. */
export function configuredUrl(env: NodeJS.ProcessEnv, ...names: string[]): string | undefined {
  return names.map((name) => env[name]).find((value) => value?.trim());
}

/**
 * Parses a `postgres://` or `postgresql://` URL. Supported parameters are libpq's for encryption, and
 * ssl, host, port, target_session_attrs, pgbouncer, connection_limit, application_name, options and search_path. Others are
 * ignored, since they are for other programs, unless they look like protection: these are refused. As in
 * libpq, there may be several hosts, separated by commas, host and port in the query take precedence, and libpq's
 * environment variables for encryption, such as PGSSLMODE, apply if the URL does not set the parameter.
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
  const malformed = () => refuse(name, `${example}, with special characters percent-encoded`);
  const [, scheme = "", user = "", hosts = "", rest = ""] =
    /^([^/]*\/\/)([^/?#]*@)?([^/?#]*)(.*)$/s.exec(text) ?? [];
  /** The URL with one of the hosts. One whose query names a socket often has none after the user, which URL refuses. */
  const urlOf = (host: string): URL => {
    const complete = `${scheme}${user}${user && /^(:|$)/.test(host) ? "localhost" : ""}${host}${rest}`;
    return URL.canParse(complete) ? new URL(complete) : malformed();
  };
  const urls = hosts.split(",").map(urlOf);
  const [url] = urls as [URL];
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
  const inQuery = last("host")?.split(",");
  const ports = last("port")?.split(",") ?? [];
  const named = inQuery?.some(Boolean) ? inQuery : urls.map(({ hostname }) => decode(hostname));
  if (ports.length > 1 && ports.length !== named.length) refuse(name, "one port, or as many as hosts");
  const [first, ...others] = named.map((one, n): Host => {
    const host = (one || "localhost").replace(/^\[(.*)\]$/, "$1");
    const port = Number((ports[n] ?? ports[0]) || urls[n]?.port || urls[0]?.port || 5432);
    if (!(Number.isInteger(port) && port > 0 && port < 65536)) malformed();
    return { host, port, ...readTlsSettings(host, query, env, name) };
  }) as [Host, ...Host[]];
  const attributes = last("target_session_attrs") || "any";
  const writable = ATTRIBUTES[attributes];
  if (writable === undefined)
    refuse(
      `${name}: target_session_attrs`,
      `${Object.keys(ATTRIBUTES).join(", ")}: the package reads and writes`,
    );
  if ((last("load_balance_hosts") || "disable") !== "disable")
    refuse(`${name}: load_balance_hosts`, "disable: the hosts are tried in their order");
  const limit = Number(last("connection_limit"));
  return {
    ...first,
    others,
    writable,
    user: decode(url.username),
    password: decode(url.password),
    database,
    pooled: first.port === POOLER_PORT || last("pgbouncer") === "true",
    max: Number.isInteger(limit) && limit >= 1 && limit <= 1000 ? limit : undefined,
    settings: Object.fromEntries([...query].filter(([key, value]) => STARTUP.includes(key) && value !== "")),
  };
}
