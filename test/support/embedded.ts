import { cpSync, existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { EMBEDDED_FOLDER } from "../../src/connection/connect.js";
import { openEmbedded } from "../../src/connection/embedded.js";

/**
 * Puts an embedded database where a program of this folder finds it: a copy, since to create one takes seconds. The first
 * file of the run to ask creates the originals. Where the creation itself is the subject, create one instead.
 *
 * @returns the database's folder
 */
export async function embeddedIn(cwd: string, state: "empty" | "migrated" = "migrated"): Promise<string> {
  const originals = join(process.env.TEST_BUILD as string, "embedded");
  if (!existsSync(originals)) {
    const unfinished = mkdtempSync(`${originals}-`);
    const [empty, migrated] = [join(unfinished, "empty"), join(unfinished, "migrated")];
    await (await openEmbedded(empty, { migrates: false })).close();
    cpSync(empty, migrated, { recursive: true });
    await (await openEmbedded(migrated)).close();
    try {
      // Whole when it is there, also where two make it.
      renameSync(unfinished, originals);
    } catch (error) {
      if (!existsSync(originals)) throw error;
      rmSync(unfinished, { recursive: true });
    }
  }
  const folder = join(cwd, EMBEDDED_FOLDER);
  cpSync(join(originals, state), folder, { recursive: true });
  return folder;
}
