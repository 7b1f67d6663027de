import { expect, it } from "vitest";
import { migratedDatabase } from "../support/database.js";
import { runScript } from "../support/program.js";

const url = await migratedDatabase();

/** MiB of JavaScript heap and of the whole process (buffers of the driver, Node and tsx included: 110 at least) that are enough. */
const BOUNDS: Record<string, { heap: number; process: number }> = {
  "a 30 MiB session": { heap: 256, process: 700 },
  "a 5 MiB message": { heap: 96, process: 400 },
  // 4 MB of JSON. When each fault was listed it took a gigabyte.
  "two million parts that are none": { heap: 192, process: 400 },
  "10,000 messages": { heap: 96, process: 400 },
  "10,000 sessions of one user": { heap: 64, process: 300 },
};
/** The short form does the most with one driver, and shows with the other that it is no worse. */
const cases = Object.entries(BOUNDS).flatMap(([part, bounds]) =>
  (["postgres.js", "node-postgres"] as const)
    .filter((driver) => process.env.LONG === "1" || driver === "postgres.js" || part === "a 5 MiB message")
    .map((driver) => ({ driver, part, ...bounds })),
);

it.each(cases)(
  "$part over $driver works within $heap MiB of heap and $process MiB in all",
  async (one) => {
    const { driver, part, heap } = one;
    const program = runScript("test/support/large-sessions.ts", [driver, part, url], process.cwd(), {
      NODE_OPTIONS: `--max-old-space-size=${heap}`,
    });
    // Out of memory it ends with SIGABRT.
    expect(await program.ended, program.stderr()).toBe(0);
    const figures = JSON.parse(program.stdout());
    console.log(`${part} over ${driver}: ${program.stdout().trim()}`);
    expect(figures.maxRssMiB).toBeLessThan(one.process);
  },
  120_000,
);
