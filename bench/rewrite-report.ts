/** Writes RESULTS.md and the plots again from results.json, in this folder or the one that is named. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { writeReport } from "./report.js";

const [, , named] = process.argv;
const folder = named === undefined ? new URL(".", import.meta.url) : pathToFileURL(`${resolve(named)}/`);
await writeReport(JSON.parse(readFileSync(new URL("results.json", folder), "utf8")), folder);
