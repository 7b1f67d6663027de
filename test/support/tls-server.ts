import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { atEnd } from "./database.js";
import { startOwnServer } from "./own-server.js";
import { serverUser } from "./postgres-binaries.js";

/** A file of `fixtures/tls`, which `make.sh` there makes. */
export const tlsFile = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));

/**
 * A PostgreSQL server of the test file's own that takes TLS, and connections without. Its certificate
 * is for localhost, and signed by `root.pem`; it knows clients by theirs.
 *
 * @returns its URL by a name of this machine, with a query
 */
export async function startTlsServer(): Promise<(host: string, query: Record<string, string>) => string> {
  // It takes a key only where nobody else may read it.
  const folder = mkdtempSync(join(tmpdir(), "journey-db-tls-"));
  atEnd(async () => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  const [certificate, key, roots] = ["server.pem", "server-key.pem", "root.pem"].map((name) => {
    const copy = join(folder, name);
    copyFileSync(tlsFile(name), copy);
    chmodSync(copy, 0o600);
    if (serverUser.uid) chownSync(copy, serverUser.uid, serverUser.gid);
    return copy;
  });
  const { url } = await startOwnServer(
    "ssl=on",
    `ssl_cert_file=${certificate}`,
    `ssl_key_file=${key}`,
    `ssl_ca_file=${roots}`,
  );
  return (host, query) => {
    const named = new URL(url);
    named.hostname = host;
    named.search = `${new URLSearchParams(query)}`;
    return named.href;
  };
}
