import type { SecureVersion } from "node:tls";
import { JourneyDbError } from "../model/errors.js";

/** How the connection is encrypted, in libpq's words for `sslmode`; `verify-*` also check the certificate. */
type Tls = "disable" | "prefer" | "require" | "verify-ca" | "verify-full";

/** A file, and where it was named, for the error. */
export interface NamedFile {
  path: string;
  from: string;
}

/** What a URL and the environment say of encryption. With `disable` the rest is left out. */
export interface TlsSettings {
  tls: Tls;
  /** The certificates to trust instead of Node's. */
  rootCertificates?: NamedFile | undefined;
  /** The list of those that were revoked. */
  revoked?: NamedFile | undefined;
  /** The client's own certificate, and its key. */
  certificate?: NamedFile | undefined;
  key?: NamedFile | undefined;
  keyPassword?: string | undefined;
  minVersion?: SecureVersion | undefined;
  maxVersion?: SecureVersion | undefined;
  /** False keeps the host's name from whoever watches the connection begin. */
  sendsName?: boolean | undefined;
}

/** The names of `sslmode`, and node-postgres's `no-verify`. */
const MODES: Record<string, Tls> = {
  disable: "disable",
  // Without TLS first, and with it where the server insists: the other order is never weaker.
  allow: "prefer",
  prefer: "prefer",
  require: "require",
  "no-verify": "require",
  "verify-ca": "verify-ca",
  "verify-full": "verify-full",
};

/** `ssl` of JavaScript drivers. Its true is `require` in libpq; postgres.js, node-postgres and JDBC look at the certificate and the name. */
const SSL: Record<string, Tls> = {
  ...MODES,
  true: "verify-full",
  "1": "verify-full",
  false: "disable",
  "0": "disable",
};

const VERSIONS: string[] = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] satisfies SecureVersion[];

interface Parameter {
  /** The environment variable that counts where the URL does not have it. */
  variable?: string;
  /** Undefined takes any. */
  values?: string[];
  /** Why there is no other. */
  since?: string;
}

const BINDING = "the driver cannot bind a login to its connection; sslmode=verify-full checks the server";
const LOGIN = "the driver logs in as the server asks; sslmode=verify-full checks the server";
const KERBEROS = "the driver knows no GSSAPI";
const VERSION = { values: ["", ...VERSIONS] };

/**
 * libpq's parameters that protect, with the values that can be honoured. Where libpq takes an empty
 * value, that asks for nothing. https://www.postgresql.org/docs/current/libpq-connect.html
 */
const PARAMETERS: Record<string, Parameter> = {
  sslmode: { variable: "PGSSLMODE", values: Object.keys(MODES) },
  // The variable is postgres.js's.
  ssl: { variable: "PGSSL", values: Object.keys(SSL) },
  sslrootcert: { variable: "PGSSLROOTCERT" },
  sslcrl: { variable: "PGSSLCRL" },
  sslcert: { variable: "PGSSLCERT" },
  sslkey: { variable: "PGSSLKEY" },
  sslpassword: {},
  sslcertmode: {
    variable: "PGSSLCERTMODE",
    values: ["allow", "disable"],
    since: "Node.js does not tell whether the server asked for the certificate",
  },
  sslsni: { variable: "PGSSLSNI", values: ["0", "1"] },
  ssl_min_protocol_version: { variable: "PGSSLMINPROTOCOLVERSION", ...VERSION },
  ssl_max_protocol_version: { variable: "PGSSLMAXPROTOCOLVERSION", ...VERSION },
  sslcompression: { variable: "PGSSLCOMPRESSION", values: ["", "0", "1"] },
  sslcrldir: { variable: "PGSSLCRLDIR", values: [""], since: "only sslcrl, a file, is understood" },
  sslnegotiation: { variable: "PGSSLNEGOTIATION", values: ["postgres"], since: "TLS is asked for first" },
  requirepeer: {
    variable: "PGREQUIREPEER",
    values: [""],
    since: "Node.js does not tell whose a socket is",
  },
  channel_binding: { variable: "PGCHANNELBINDING", values: ["prefer", "disable"], since: BINDING },
  require_auth: { variable: "PGREQUIREAUTH", values: [""], since: LOGIN },
  gssencmode: { variable: "PGGSSENCMODE", values: ["prefer", "disable"], since: KERBEROS },
  krbsrvname: { variable: "PGKRBSRVNAME", values: ["", "postgres"], since: KERBEROS },
  gsslib: { variable: "PGGSSLIB", values: [""], since: KERBEROS },
  gssdelegation: { variable: "PGGSSDELEGATION", values: ["", "0"], since: KERBEROS },
  min_protocol_version: {
    variable: "PGMINPROTOCOLVERSION",
    values: ["3.0"],
    since: "the driver speaks version 3.0",
  },
  max_protocol_version: { variable: "PGMAXPROTOCOLVERSION", values: ["3.0", "3.2", "latest"] },
};

const VARIABLES = Object.values(PARAMETERS).flatMap(({ variable = [] }) => variable);
/** PG_SSL is what many an application calls a switch of its own. */
const MISSPELT = VARIABLES.filter((variable) => variable !== "PGSSL");

/** What a name in any program's spelling has in it, once there is nothing left but letters. */
const PROTECTION =
  /ssl|tls|gss|krb|kerberos|scram|sasl|oauth|cert|cipher|encrypt|secur|verif|unauthorized|binding|requireauth|requirepeer|protocolversion/;
const lettersOf = (name: string) => name.toLowerCase().replaceAll(/[^a-z]/g, "");

/** Whether a text has a parameter in it that was meant to be one of the URL, as in `a=b?sslmode=require`. */
export const hidesProtection = (text: string): boolean =>
  [...text.matchAll(/[?&;]([^=?&;]*)=/g)].some(([, key = ""]) => PROTECTION.test(lettersOf(key)));

function refuse(from: string, expected: string): never {
  throw new JourneyDbError("configuration", `${from}: expected ${expected}`);
}

const listed = (values: string[]) => {
  const named = values.map((value) => value || "nothing");
  return named.length > 1 ? `${named.slice(0, -1).join(", ")} or ${named.at(-1)}` : named.join();
};

/** Refuses the parameters that look like protection and are not libpq's, and its variables in another spelling. */
function refuseUnknown(query: URLSearchParams, env: NodeJS.ProcessEnv, name: string): void {
  const meantBy = (given: string, known: string[]) =>
    known.find((one) => lettersOf(one) === lettersOf(given));
  const parameters = Object.keys(PARAMETERS);
  for (const key of query.keys()) {
    if (parameters.includes(key) || !PROTECTION.test(lettersOf(key))) continue;
    // Without a value it may be the rest of a password that had an & in it.
    const isName = query.get(key) !== "" && /^[\w. -]{1,64}$/.test(key);
    const shown = isName ? key : "a parameter that looks like sslmode";
    const meant = meantBy(key, parameters) ?? "sslmode or another parameter of libpq";
    refuse(`${name}: ${shown}`, `${meant} in its place`);
  }
  for (const [key, value] of Object.entries(env)) {
    if (!/^pg/i.test(key) || !value) continue;
    const meant = key === "PGREQUIRESSL" && value.startsWith("1") ? "PGSSLMODE" : meantBy(key, MISSPELT);
    if (meant !== undefined && env[meant] === undefined) refuse(key, `${meant} in its place`);
  }
}

/** A value, and where it was said. */
interface Said {
  value: string;
  from: string;
}

/** The parameters that ask for something, by libpq's name. The URL counts for more than the environment. */
function readParameters(query: URLSearchParams, env: NodeJS.ProcessEnv, name: string) {
  const said = new Map<string, Said>();
  // One word by two names.
  const modeInUrl = query.has("sslmode") || query.has("ssl");
  for (const [key, { variable = "", values, since }] of Object.entries(PARAMETERS)) {
    const [inUrl, ...others] = new Set(query.getAll(key));
    // libpq takes the last, but who appends a weaker one would win.
    if (others.length > 0) refuse(`${name}: ${key}`, "one value, not several that differ");
    const from = inUrl === undefined ? variable : `${name}: ${key}`;
    const written = inUrl ?? (modeInUrl && (key === "ssl" || key === "sslmode") ? undefined : env[variable]);
    if (written === undefined) continue;
    const value = (values && VERSIONS.find((one) => one.toLowerCase() === written.toLowerCase())) ?? written;
    if (values && !values.includes(value)) refuse(from, listed(values) + (since ? `, since ${since}` : ""));
    if (value !== "") said.set(key, { value, from });
  }
  return said;
}

/**
 * What the query of a URL and the environment say of encryption, as libpq means it. Two things are
 * otherwise: the files of `~/.postgresql` do not count, so that Node's certificates are trusted where
 * none are named, and a server on this machine is not asked for TLS where nothing is said of it.
 *
 * @param name where the URL comes from, for the error
 * @throws JourneyDbError configuration, for what is asked for and could not be honoured
 */
export function readTlsSettings(
  host: string,
  query: URLSearchParams,
  env: NodeJS.ProcessEnv,
  name: string,
): TlsSettings {
  refuseUnknown(query, env, name);
  const said = readParameters(query, env, name);
  const file = (key: string): NamedFile | undefined => {
    const one = said.get(key);
    return one && { path: one.value, from: one.from };
  };
  const [ssl, sslmode] = [said.get("ssl"), said.get("sslmode")];
  if (ssl && sslmode && SSL[ssl.value] !== MODES[sslmode.value]) refuse(ssl.from, "the same as in sslmode");
  const asked = sslmode ?? ssl;
  const mode = asked && SSL[asked.value];
  const roots = file("sslrootcert");
  const system = roots?.path === "system";
  const revoked = file("sslcrl");
  const checks = roots !== undefined || revoked !== undefined;
  if (system && asked && mode !== "verify-full")
    refuse(asked.from, "verify-full, since sslrootcert is system");
  if (host.startsWith("/") || mode === "disable") return { tls: "disable" };
  if (checks && asked && mode === "prefer")
    refuse(asked.from, "require, verify-ca or verify-full, since sslrootcert or sslcrl is set");
  const tls = mode === "require" && checks ? "verify-ca" : (mode ?? unsaid(host, said));
  // Anybody can get a certificate that Node.js trusts, for a name of his own.
  if (tls === "verify-ca" && !roots) refuse(asked?.from ?? name, "verify-full, or sslrootcert beside it");

  const shown = said.get("sslcertmode")?.value !== "disable";
  const [certificate, key] = shown ? [file("sslcert"), file("sslkey")] : [];
  if (certificate && !key) refuse(certificate.from, "sslkey beside it");
  if (key && !certificate) refuse(key.from, "sslcert beside it");
  const [oldest, newest] = [said.get("ssl_min_protocol_version"), said.get("ssl_max_protocol_version")];
  const least = oldest?.value ?? "TLSv1.2";
  if (newest && newest.value < least)
    refuse(newest.from, `${least} or newer, since ssl_min_protocol_version is that`);
  return {
    tls,
    rootCertificates: system ? undefined : roots,
    revoked,
    certificate,
    key,
    keyPassword: said.get("sslpassword")?.value,
    minVersion: oldest?.value as SecureVersion | undefined,
    maxVersion: newest?.value as SecureVersion | undefined,
    sendsName: said.get("sslsni")?.value !== "0",
  };
}

/** The mode where none is named. What else is said of TLS is never without effect. */
function unsaid(host: string, said: Map<string, Said>): Tls {
  if (said.has("sslrootcert") || said.has("sslcrl")) return "verify-full";
  const wanted = ["sslcert", "sslkey", "ssl_min_protocol_version", "ssl_max_protocol_version"];
  return isLoopback(host) && !wanted.some((key) => said.has(key)) ? "disable" : "prefer";
}

const LOOPBACK =
  /^(localhost\.?|127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}|\[::(1|ffff:7f[\da-f]{2}:[\da-f]+)\])$/i;

/** Whether it is this machine, by an address (also an IPv4 one in IPv6) or the one name that is always its own. */
function isLoopback(host: string): boolean {
  // Without node:net, which a browser lacks, URL knows the one spelling of an IPv6 address.
  const address = `http://[${host}]`;
  return LOOPBACK.test(host.includes(":") && URL.canParse(address) ? new URL(address).hostname : host);
}
