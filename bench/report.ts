import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { plots } from "./plots.js";
import { aheadSection } from "./report-ahead.js";
import { callSections } from "./report-calls.js";
import { serverName } from "./report-contestants.js";
import { costSections, floorSections, walSections } from "./report-costs.js";
import { joined, section, table } from "./report-markdown.js";
import { conversionSection, growthSection, storageSection, throughputSection } from "./report-server.js";
import { bytes, times, whole } from "./report-units.js";
import type { ColdStart, Results, ServerResults } from "./results.js";

const ALT: Record<string, string> = {
  "append.svg": "The time of a turn over the number of messages in the session, for each contestant",
  "growing.svg":
    "The time of an append and of an answer stored six times, over the number of messages, for each contestant",
  "wal.svg": "The WAL of an append and of an answer stored six times, over the number of messages",
  "list.svg": "The time of a page of the list with sessions of a kilobyte and of a megabyte",
  "throughput.svg": "Appends a second over the number of writers, on one session and on a session each",
  "storage.svg": "The time of an append over the number of messages, for each way of storing the session",
};

const KINDS: Record<ServerResults["contestants"][number]["kind"], string> = {
  ours: "this package",
  floor: "floor: statements through the bare driver",
  published: "the code of an npm package",
  statements: "what a design sends",
};

const HOW_TO_READ = `## How to read this

- A time is the median, then in brackets the 5th and the 95th percentile, in the same unit.
- The contestants of a workload take turns, one call each, so what disturbs the machine disturbs all of them.
  Compare within one table. Times of two runs, two servers or two machines are not comparable; ratios are, with care.
  Where the ranges of two overlap, their order may be another in the next run.
- A ratio is the median of the contestant divided by ours: above 1× it takes longer than this package.
- A dash stands for what a contestant cannot do, what could not be measured, and for sessions of a length at which
  a call of the contestant takes seconds.
- “At 10 ms a round trip” puts that delay between client and server.
- Round trips, bytes, WAL, buffers, CPU and heap are means, measured of one contestant alone.`;

const facts = ({ made, command, machine, node, versions }: Results): string => {
  const { cpu, cores, memoryBytes, os } = machine;
  const lines = [
    ["made", made.slice(0, 10)],
    ["command", `\`${command}\``],
    ["machine", `${cpu}, ${cores} cores, ${bytes(memoryBytes)}, ${os}`],
    ["Node.js", node],
    ...Object.entries(versions),
  ];
  return table(
    lines,
    [
      ["", ([name = ""]) => name],
      ["", ([, value = ""]) => value],
    ],
    2,
  );
};

const serverSection = (server: ServerResults): string => {
  const settings = Object.entries(server.settings);
  return section(
    `## ${serverName(server)}`,
    settings.length > 0 &&
      `Settings that are not the default: ${settings.map(([name, value]) => `\`${name} = ${value}\``).join(", ")}.`,
    table(
      server.contestants,
      [
        ["contestant", ({ name }) => name],
        ["what it is", ({ kind }) => KINDS[kind]],
        ["", ({ about }) => about],
      ],
      3,
    ),
    aheadSection(server),
    callSections(server),
    walSections(server),
    costSections(server),
    floorSections(server),
    throughputSection(server),
    growthSection(server),
    storageSection(server),
    conversionSection(server),
  );
};

const coldStartSection = (coldStarts: ColdStart[]): string =>
  section(
    "## Cold start",
    "A new process imports the package, then makes its first call on a server that is up.",
    table(coldStarts, [
      ["", ({ name }) => name],
      ["import", ({ importMs }) => times(importMs)],
      ["first call", ({ firstCallMs }) => times(firstCallMs)],
      ["files loaded", ({ files }) => whole(files)],
      ["their size", (row) => bytes(row.bytes)],
    ]),
  );

const document = (results: Results, pictures: string[]): string =>
  joined(
    "<!-- Generated from results.json by bench/report.ts. Do not edit: the next run writes it again. -->",
    "# Results of the benchmark",
    "This file is generated from `results.json`, which a run of the benchmark leaves behind.",
    results.quick &&
      "**A quick run: few calls and small sizes. It shows that the benchmark works, and no more.**",
    facts(results),
    HOW_TO_READ,
    ...pictures.map((name) => `![${ALT[name]}](plots/${name})`),
    ...results.servers.map(serverSection),
    results.coldStarts.length > 0 && coldStartSection(results.coldStarts),
  );

/** Writes RESULTS.md and plots/*.svg into the folder, and removes plots that nothing was measured for. */
export async function writeReport(results: Results, folder = new URL(".", import.meta.url)): Promise<void> {
  const pictures = plots(results);
  const into = new URL("plots/", folder);
  await mkdir(into, { recursive: true });
  for (const name of await readdir(into))
    if (name.endsWith(".svg") && !pictures.has(name)) await rm(new URL(name, into));
  for (const [name, svg] of pictures) await writeFile(new URL(name, into), svg);
  await writeFile(new URL("RESULTS.md", folder), `${document(results, [...pictures.keys()])}\n`);
}
