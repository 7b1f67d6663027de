/** Measures this package beside what else keeps conversations in PostgreSQL. `npm run bench -- --help`. */
import "../scripts/closed-output.js";
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { about } from "./about.js";
import { chosen, measureOn, type Selection, timed } from "./benchmark.js";
import { coldStarts } from "./cold-start.js";
import { overview } from "./overview.js";
import { writeReport } from "./report.js";
import type { ColdStart, Results, ServerResults } from "./results.js";
import { type BenchServer, openServer } from "./server.js";

const USAGE = `npm run bench -- [options]
  --quick               small sizes and few calls; leaves results.json as it is
  --server <url>        measures on this PostgreSQL too, as a role that may create databases
  --only <pattern>      of the workloads, by name as in the progress lines; writes nothing
  --contestant <pattern>  of the contestants; writes nothing`;

const { values } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    server: { type: "string" },
    only: { type: "string" },
    contestant: { type: "string" },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit();
}
const pattern = (text: string | undefined) => (text === undefined ? undefined : new RegExp(text, "i"));
const options: Selection = {
  quick: values.quick,
  only: pattern(values.only),
  contestant: pattern(values.contestant),
};

let running: BenchServer | undefined;

/** Leaves no database behind on a given server. */
async function giveUp(): Promise<never> {
  await running?.stop();
  process.exit(1);
}
let givingUp: Promise<never> | undefined;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    process.stderr.write(`${signal}: stopping\n`);
    givingUp ??= giveUp();
  });
}
process.on("uncaughtException", (error) => {
  // Further ones are of the contestants' pools, which lose their connections with nobody to tell it to.
  if (!givingUp) console.error(error);
  givingUp ??= giveUp();
});

const servers: ServerResults[] = [];
let starts: ColdStart[] = [];
for (const url of [undefined, ...(values.server ? [values.server] : [])]) {
  const server = await openServer(url);
  running = server;
  process.stderr.write(`${server.about.version}\n`);
  servers.push(await measureOn(server, options));
  if (!url && chosen(options.only, "cold starts") && !options.contestant) {
    starts = await timed("cold starts", () => coldStarts(server.url, options.quick));
  }
  await server.stop();
  running = undefined;
}
const results: Results = { ...about(values), servers, coldStarts: starts };
for (const server of servers) console.log(overview(server));

if (!options.only && !options.contestant) {
  const folder = new URL(options.quick ? "quick/" : "./", import.meta.url);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL("results.json", folder), `${JSON.stringify(results, null, 2)}\n`);
  await writeReport(results, folder);
}
// What a contestant's library may have left running.
process.exit();
