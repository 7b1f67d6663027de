import { distinct } from "./report-calls.js";
import { type Contestant, nameOf } from "./report-contestants.js";
import { type Column, joined, section, table } from "./report-markdown.js";
import { bytes, duration, NONE, orNone, percent, times, whole } from "./report-units.js";
import type { Conversion, Growth, ServerResults, Sizes, StorageCost, Throughput } from "./results.js";

const WRITING: Record<Throughput["sessions"], string> = {
  one: "All writers on one session",
  each: "Every writer on a session of its own",
  busy: "All writers on one session that grows by hundreds of messages",
};

/** Appends a second by the number of writers, and of what was acknowledged or asked for, what is not there. */
export function throughputSection({ contestants, throughput }: ServerResults): string {
  const blocks = Object.entries(WRITING).map(([sessions, title]) => {
    const runs = throughput.filter((run) => run.sessions === sessions);
    const byWriters = (rows: Contestant[], cell: (run: Throughput) => string) =>
      table(rows, [
        ["", nameOf],
        ...distinct(runs.map(({ writers }) => writers))
          .sort((one, other) => one - other)
          .map(
            (writers): Column<Contestant> => [
              writers === 1 ? "1 writer" : `${writers} writers`,
              ({ name }) => {
                const run = runs.find((run) => run.contestant === name && run.writers === writers);
                return run ? cell(run) : NONE;
              },
            ],
          ),
      ]);
    const failing = contestants.filter(({ name }) =>
      runs.some(({ contestant, lost, refused }) => contestant === name && lost + refused > 0),
    );
    if (runs.length === 0) return "";
    return joined(
      `${title}, appends a second:`,
      byWriters(contestants, ({ appendsPerSecond }) => whole(appendsPerSecond)),
      failing.length === 0
        ? "None was lost, and none was refused."
        : "Lost: acknowledged, and not there afterwards. Refused: answered with an error. No other contestant had either.",
      byWriters(failing, ({ lost, refused }) => `${whole(lost)} lost, ${whole(refused)} refused`),
    );
  });
  return section("### Throughput", ...blocks);
}

/** What many appends leave behind on the disk, and how much of it a vacuum gives back. */
export function growthSection({ contestants, growth }: ServerResults): string {
  const size = (when: string, of: (growth: Growth) => Sizes): Column<Growth>[] => [
    [`${when}: table`, (row) => bytes(of(row).table)],
    ["TOAST", (row) => bytes(of(row).toast)],
    ["indexes", (row) => bytes(of(row).indexes)],
  ];
  const kind = ({ contestant }: Growth) => contestants.find(({ name }) => name === contestant)?.kind;
  return section(
    "### Growth",
    table<Growth>(growth, [
      ["", (row) => (kind(row) === "ours" ? `**${row.contestant}**` : row.contestant)],
      ["appends", ({ appends }) => whole(appends)],
      ["HOT updates", ({ hotShare }) => orNone(hotShare, percent)],
      ...size("before vacuum", ({ before }) => before),
      ...size("after vacuum", ({ afterVacuum }) => afterVacuum),
    ]),
  );
}

export const storageSection = ({ storage, hasLz4 }: ServerResults): string =>
  section(
    "### How the server stores the session: an append by this package",
    storage.length > 0 && !hasLz4 && "This server was built without lz4.",
    table<StorageCost>(
      storage.toSorted((one, other) => one.messages - other.messages),
      [
        ["storage", (row) => row.storage],
        ["messages", ({ messages }) => whole(messages)],
        ["time", ({ loopback }) => times(loopback)],
        ["server CPU", ({ serverCpu }) => orNone(serverCpu, duration)],
        ["WAL", ({ walBytes }) => bytes(walBytes)],
        ["stored session", (row) => bytes(row.bytes)],
      ],
    ),
  );

/** From the column to message rows and back: `convertLayout` on one connection. */
export const conversionSection = ({ conversions }: ServerResults): string =>
  section(
    "### Converting the layout",
    table<Conversion>(conversions, [
      ["to", ({ to }) => (to === "rows" ? "message rows" : "the column")],
      ["sessions", ({ sessions }) => whole(sessions)],
      ["messages in each", ({ messages }) => whole(messages)],
      ["conversations", (row) => bytes(row.bytes)],
      ["time", ({ time }) => times(time)],
      ["sessions a second", ({ sessions, time }) => whole((1000 * sessions) / time.median)],
      ["a second", (row) => bytes((1000 * row.bytes) / row.time.median)],
    ]),
  );
