import type { SecureVersion } from "node:tls";
import { JourneyDbError } from "../model/errors.js";

/** How the connection is encrypted, in the terms of libpq's `sslmode`; `verify-*` also check the certificate. */
type Tls = "disable" | "prefer" | "require" | "verify-ca" | "verify-full";

/** The value of a parameter, and where it was set, for errors. */
interface Setting {
  value: string;
  from: string;
}

export interface TlsSettings {
  tls: Tls;
  /** The parameters with an effect, by libpq's names. */
  tlsParameters: ReadonlyMap<string, Setting>;
}

/** The values of `sslmode`, and node-postgres's `no-verify`. */
const MODES: Record<string, Tls> = {
  disable: "disable",
  // libpq tries without TLS first. The other order is never weaker.
  allow: "prefer",
  prefer: "prefer",
  require: "require",
  "no-verify": "require",
  "verify-ca": "verify-ca",
  "verify-full": "verify-full",
};

/** `ssl` of JavaScript drivers. For libpq true is `require`; postgres.js, node-postgres and JDBC check the certificate and the name. */
const SSL: Record<string, Tls> = {
  ...MODES,
  true: "verify-full",
  "1": "verify-full",
  false: "disable",
  "0": "disable",
};

const VERSIONS: string[] = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] satisfies SecureVersion[];

/** A parameter that has neither kind of values takes any. */
interface Parameter {
  /** Values with an effect. */
  values?: string[];
  /** Values that ask for nothing. */
  ignored?: string[];
  /** Why other values are refused. */
  since?: string;
}

const VERSION = { values: VERSIONS, ignored: [""] };
const VERIFY = "; sslmode=verify-full checks the server";
const KERBEROS = "the driver has no GSSAPI";

/** libpq's parameters for protection. https://www.postgresql.org/docs/current/libpq-connect.html */
const PARAMETERS: Record<string, Parameter> = {
  sslmode: { values: Object.keys(MODES) },
  ssl: { values: Object.keys(SSL) },
  sslrootcert: {},
  sslcrl: {},
  sslcert: {},
  sslkey: {},
  sslpassword: {},
  sslcertmode: {
    values: ["disable"],
    ignored: ["allow"],
    since: "Node.js does not report whether the server asked for the certificate",
  },
  sslsni: { values: ["0"], ignored: ["1"] },
  ssl_min_protocol_version: VERSION,
  ssl_max_protocol_version: VERSION,
  sslcompression: { ignored: ["", "0", "1"] },
  sslcrldir: { ignored: [""], since: "only sslcrl, a file, is supported" },
  sslnegotiation: { ignored: ["postgres"], since: "TLS without an SSLRequest is not supported" },
  requirepeer: { ignored: [""], since: "Node.js does not report the owner of a socket" },
  channel_binding: { ignored: ["prefer", "disable"], since: `the driver has no channel binding${VERIFY}` },
  require_auth: {
    ignored: [""],
    since: `the driver uses the authentication method that the server requests${VERIFY}`,
  },
  gssencmode: { ignored: ["prefer", "disable"], since: KERBEROS },
  krbsrvname: { ignored: ["", "postgres"], since: KERBEROS },
  gsslib: { ignored: [""], since: KERBEROS },
  gssdelegation: { ignored: ["", "0"], since: KERBEROS },
  min_protocol_version: { ignored: ["3.0"], since: "the driver speaks version 3.0" },
  max_protocol_version: { ignored: ["3.0", "3.2", "latest"] },
};

/** libpq's environment variable of a parameter, and postgres.js's PGSSL. libpq has none for sslpassword. */
const variableOf = (parameter: string) =>
  parameter === "sslpassword" ? "" : `PG${parameter.replaceAll("_", "").toUpperCase()}`;

/** PG_SSL is not here: many applications have a switch of their own of that name. */
const VARIABLES = Object.keys(PARAMETERS)
  .filter((parameter) => parameter !== "ssl")
  .map(variableOf);

/** What the names of such parameters contain in any program's spelling, reduced to letters. */
const PROTECTION =
  /ssl|tls|gss|krb|kerberos|scram|sasl|oauth|cert|cipher|encrypt|secur|verif|unauthorized|binding|requireauth|requirepeer|protocolversion/;
const lettersOf = (name: string) => name.toLowerCase().replaceAll(/[^a-z]/g, "");

/** Whether a text contains a parameter that was meant for the URL, as in `a=b?sslmode=require`. */
export const hidesProtection = (text: string): boolean =>
  [...text.matchAll(/[?&;]([^=?&;]*)=/g)].some(([, key = ""]) => PROTECTION.test(lettersOf(key)));

/** Throws the error for a setting. `from`: where it was set. */
export function refuse(from: string, expected: string): never {
  throw new JourneyDbError("configuration", `${from}: expected ${expected}`);
}

/** Refuses parameters that look like protection and are not libpq's, and misspelt environment variables of libpq. */
function refuseUnknown(query: URLSearchParams, env: NodeJS.ProcessEnv, name: string): void {
  const meantBy = (given: string, known: string[]) =>
    known.find((one) => lettersOf(one) === lettersOf(given));
  const parameters = Object.keys(PARAMETERS);
  for (const [key, value] of query) {
    if (parameters.includes(key) || !PROTECTION.test(lettersOf(key))) continue;
    // Without a value it may be the rest of a password that contains an &.
    const isName = value !== "" && /^[\w. -]{1,64}$/.test(key);
    const shown = isName ? key : "a parameter that looks like sslmode";
    const meant = meantBy(key, parameters) ?? "sslmode or another parameter of libpq";
    refuse(`${name}: ${shown}`, `${meant} instead`);
  }
  for (const [key, value] of Object.entries(env)) {
    if (!/^pg/i.test(key) || !value) continue;
    const meant = key === "PGREQUIRESSL" && value.startsWith("1") ? "PGSSLMODE" : meantBy(key, VARIABLES);
    if (meant !== undefined && env[meant] === undefined) refuse(key, `${meant} instead`);
  }
}

/** The parameters that have an effect, by libpq's names. The URL takes precedence over the environment. */
function readParameters(query: URLSearchParams, env: NodeJS.ProcessEnv, name: string): Map<string, Setting> {
  const settings = new Map<string, Setting>();
  // Two names of one setting.
  const modeInUrl = query.has("sslmode") || query.has("ssl");
  for (const [key, { values, ignored, since }] of Object.entries(PARAMETERS)) {
    const [inUrl, ...others] = new Set(query.getAll(key));
    // libpq takes the last, so that whoever appends a weaker one would win.
    if (others.length > 0) refuse(`${name}: ${key}`, "one value, not several that differ");
    const from = inUrl === undefined ? variableOf(key) : `${name}: ${key}`;
    const fromEnv = modeInUrl && (key === "ssl" || key === "sslmode") ? undefined : env[variableOf(key)];
    const written = inUrl ?? fromEnv;
    if (written === undefined || ignored?.includes(written)) continue;
    const value = (values && VERSIONS.find((one) => one.toLowerCase() === written.toLowerCase())) ?? written;
    if ((values ?? ignored) && !values?.includes(value)) {
      const allowed = [...(values ?? []), ...(ignored ?? [])].map((one) => one || "nothing");
      const last = allowed.pop();
      const list = allowed.length > 0 ? `${allowed.join(", ")} or ${last}` : last;
      refuse(from, since ? `${list}, since ${since}` : `${list}`);
    }
    if (value !== "") settings.set(key, { value, from });
  }
  return settings;
}

/**
 * Reads what the query of a URL and the environment say about encryption, as libpq does, with two
 * differences: the files of `~/.postgresql` are ignored, so that Node's certificates are trusted if
 * none are named, and a server on this machine is not asked for TLS unless something is set.
 *
 * @param name where the URL comes from, for errors
 * @throws JourneyDbError configuration, for settings that cannot be honoured
 */
export function readTlsSettings(
  host: string,
  query: URLSearchParams,
  env: NodeJS.ProcessEnv,
  name: string,
): TlsSettings {
  refuseUnknown(query, env, name);
  const settings = readParameters(query, env, name);
  const get = (key: string) => settings.get(key);
  const [ssl, sslmode, roots] = [get("ssl"), get("sslmode"), get("sslrootcert")];
  if (ssl && sslmode && SSL[ssl.value] !== SSL[sslmode.value]) refuse(ssl.from, "the same as in sslmode");
  const asked = sslmode ?? ssl;
  const mode = asked && SSL[asked.value];
  if (roots?.value === "system" && asked && mode !== "verify-full")
    refuse(asked.from, "verify-full, since sslrootcert is system");
  if (host.startsWith("/") || mode === "disable") return { tls: "disable", tlsParameters: new Map() };
  const verifies = roots ?? get("sslcrl");
  if (verifies && asked && mode === "prefer")
    refuse(asked.from, "require, verify-ca or verify-full, since sslrootcert or sslcrl is set");
  // Settings without a mode must have an effect.
  const unset = isLoopback(host) && settings.size === 0 ? "disable" : "prefer";
  const tls = mode === "require" && verifies ? "verify-ca" : (mode ?? (verifies ? "verify-full" : unset));
  // Anybody can get a certificate that Node.js trusts, for a name of their own.
  if (tls === "verify-ca" && !roots) refuse(asked?.from ?? name, "verify-full, or sslrootcert as well");

  if (get("sslcertmode")) for (const key of ["sslcert", "sslkey"]) settings.delete(key);
  const [certificate, key] = [get("sslcert"), get("sslkey")];
  if (certificate && !key) refuse(certificate.from, "sslkey as well");
  if (key && !certificate) refuse(key.from, "sslcert as well");
  const newest = get("ssl_max_protocol_version");
  const oldest = get("ssl_min_protocol_version")?.value ?? "TLSv1.2";
  if (newest && newest.value < oldest)
    refuse(newest.from, `${oldest} or newer, since ssl_min_protocol_version is that`);
  if (roots?.value === "system") settings.delete("sslrootcert");
  return { tls, tlsParameters: settings };
}

const LOOPBACK =
  /^(localhost\.?|127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}|\[::(1|ffff:7f[\da-f]{2}:[\da-f]+)\])$/i;

/** Whether the host is this machine: a loopback address, also of IPv4 in IPv6, or the one name that always means it. */
function isLoopback(host: string): boolean {
  // URL normalizes IPv6 addresses without node:net, which browsers lack.
  const address = `http://[${host}]`;
  return LOOPBACK.test(host.includes(":") && URL.canParse(address) ? new URL(address).hostname : host);
}
