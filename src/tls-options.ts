import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import type { ServerAddress } from "./database-url.js";
import { JourneyDbError } from "./errors.js";

/** libpq's meaning: only `verify-*` look at the certificate, and only `verify-full` at its name. */
export function tlsOptions({ tls, host, rootCertificates }: ServerAddress): ConnectionOptions {
  if (tls === "prefer" || (tls === "require" && rootCertificates === undefined))
    return { rejectUnauthorized: false };
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
