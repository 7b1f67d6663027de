import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import {
  type ConnectionOptions,
  createSecureContext,
  type SecureContext,
  type SecureVersion,
} from "node:tls";
import { refuse, type TlsSettings } from "./tls-settings.js";

/**
 * Options for `tls.connect`, on a socket whose server has agreed to TLS: only `verify-*` check the
 * certificate, and only `verify-full` its name. They are the same for every connection to the host.
 *
 * @throws JourneyDbError configuration for a file that cannot be read or used
 */
export function tlsOptions(address: TlsSettings & { host: string }): ConnectionOptions {
  // Certificates contain no final dot.
  const host = address.host.replace(/\.$/, "");
  return {
    secureContext: secureContextOf(address),
    rejectUnauthorized: address.tls.startsWith("verify"),
    // The name that the certificate is checked for if no name is sent. Addresses are never sent.
    host,
    ...(!address.tlsParameters.has("sslsni") && !isIP(host) && { servername: host }),
    ...(address.tls === "verify-ca" && { checkServerIdentity: () => undefined }),
  };
}

function secureContextOf({ tlsParameters: settings }: TlsSettings): SecureContext {
  const setting = (key: string) => settings.get(key)?.value;
  /** The text of a file in PEM. If it contains no certificate, Node.js silently trusts none. */
  const read = (key: string, kind: string): string | undefined => {
    const file = settings.get(key);
    if (!file) return undefined;
    let text = "";
    try {
      text = readFileSync(file.value, "utf8");
    } catch {
      // Refused below.
    }
    if (!new RegExp(`^-----BEGIN ([A-Z ]+ )?${kind}-----`, "m").test(text))
      refuse(file.from, `a readable file that contains a ${kind} in PEM`);
    return text;
  };
  const options = {
    ca: read("sslrootcert", "CERTIFICATE"),
    crl: read("sslcrl", "X509 CRL"),
    cert: read("sslcert", "CERTIFICATE"),
    key: read("sslkey", "PRIVATE KEY"),
    passphrase: setting("sslpassword"),
    minVersion: setting("ssl_min_protocol_version") as SecureVersion | undefined,
    maxVersion: setting("ssl_max_protocol_version") as SecureVersion | undefined,
  };
  try {
    return createSecureContext(options);
  } catch {
    const file = settings.get("sslcert") ?? settings.get("sslcrl") ?? settings.get("sslrootcert");
    const match = options.cert ? " with the key in sslkey and the password in sslpassword" : "";
    return refuse(`${file?.from}`, `a file that OpenSSL accepts${match}`);
  }
}
