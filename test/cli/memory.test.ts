import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { imported, run, temporaryFolder } from "../support/cli.js";
import { migratedDatabase, rawClient } from "../support/database.js";
import { nodeArguments } from "../support/tools.js";

const SESSIONS = process.env.LONG === "1" ? 100_000 : 20_000;
const LIMIT = 200 * 1024 * 1024;
/** In megabytes, for what JavaScript keeps: too little for the sessions of the short form. */
const HEAP = 48;

/** Not maxRSS if possible: on Linux it starts with the value of the parent process. */
const WRITE_PEAK = `
  import { existsSync, readFileSync, writeFileSync } from "node:fs";
  process.on("exit", () => {
    const status = existsSync("/proc/self/status") ? readFileSync("/proc/self/status", "utf8") : "";
    const peak = /VmHWM:\\s+(\\d+) kB/.exec(status)?.[1] ?? process.resourceUsage().maxRSS;
    writeFileSync("peak", String(peak));
  });`;

describe("many sessions go within 200 MB", { timeout: 240_000 }, () => {
  const made = Promise.all([migratedDatabase(), temporaryFolder()]);

  /** Also returns the peak memory of the program in bytes. */
  async function runMeasured(...args: string[]) {
    const [url, folder] = await made;
    const preload = `data:text/javascript,${encodeURIComponent(WRITE_PEAK)}`;
    const options = [`--max-old-space-size=${HEAP}`, "--import", preload];
    const program = [...options, ...nodeArguments("src/cli.ts"), ...args];
    const ended = await run(folder, process.execPath, program, { env: { DATABASE_URL: url } });
    return { ...ended, peak: Number(await readFile(join(folder, "peak"), "utf8").catch(() => 0)) * 1024 };
  }

  beforeAll(async () => {
    const [url] = await made;
    // Their text is just long enough to show whether something keeps all of it.
    await rawClient(url)`
      insert into journey_sessions (user_id, messages)
      select 'user_1', jsonb_build_array(jsonb_build_object('id', 'm1', 'role', 'user', 'parts',
        jsonb_build_array(jsonb_build_object('type', 'text', 'text', repeat(md5(n::text), 60)))))
      from generate_series(1, ${SESSIONS}) as n`;
  });

  test("through export and then import", async () => {
    const exported = await runMeasured("export", "user_1", "--out", "sessions.ndjson");
    expect(exported).toMatchObject({
      status: 0,
      stderr: expect.stringContaining(`exported ${SESSIONS} sessions`),
    });
    expect(exported.peak).toBeLessThan(LIMIT);
    await rawClient((await made)[0])`truncate journey_sessions`;
    const again = await runMeasured("import", "user_1", "sessions.ndjson");
    expect(again).toMatchObject(imported(SESSIONS));
    expect(again.peak).toBeLessThan(LIMIT);
  });
});
