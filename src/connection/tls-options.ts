import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { type ConnectionOptions, createSecureContext, type SecureContext } from "node:tls";
import { JourneyDbError } from "../model/errors.js";
import type { NamedFile, TlsSettings } from "./tls-settings.js";

/**
 * Options for `tls.connect`, on a socket whose server has answered that it takes TLS: only `verify-*`
 * look at the certificate, and only `verify-full` at its name. They hold for every connection to the host.
 *
 * @throws JourneyDbError configuration for a file that cannot be read, or used
 */
export function tlsOptions(address: TlsSettings & { host: string }): ConnectionOptions {
  // The dot at the end of a complete name is in no certificate.
  const host = address.host.replace(/\.$/, "");
  return {
    secureContext: secureContextOf(address),
    rejectUnauthorized: address.tls.startsWith("verify"),
    // What the certificate is checked for where no name is sent. An address is never sent.
    host,
    ...(address.sendsName && !isIP(host) && { servername: host }),
    ...(address.tls === "verify-ca" && { checkServerIdentity: () => undefined }),
  };
}

function secureContextOf(address: TlsSettings): SecureContext {
  const { rootCertificates, revoked, certificate, key, keyPassword, minVersion, maxVersion } = address;
  // Node.js trusts none, in silence, where it finds none in the file.
  const ca = rootCertificates && read(rootCertificates, "CERTIFICATE");
  const crl = revoked && read(revoked, "X509 CRL");
  const cert = certificate && read(certificate, "CERTIFICATE");
  const secret = key && read(key, "PRIVATE KEY");
  try {
    return createSecureContext({
      ca,
      crl,
      cert,
      key: secret,
      passphrase: keyPassword,
      minVersion,
      maxVersion,
    });
  } catch {
    const named = certificate ?? revoked ?? rootCertificates;
    const match = certificate ? ", with the key of sslkey and the password of sslpassword" : "";
    throw new JourneyDbError("configuration", `${named?.from}: expected a file that OpenSSL takes${match}`);
  }
}

/** What a file has in PEM. */
function read({ path, from }: NamedFile, kind: string): string {
  let text: string | undefined;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // Said below.
  }
  if (text === undefined || !new RegExp(`^-----BEGIN ([A-Z ]+ )?${kind}-----`, "m").test(text))
    throw new JourneyDbError(
      "configuration",
      `${from}: expected a file that can be read, with a ${kind} in PEM`,
    );
  return text;
}
