import { callName, groups } from "./report-calls.js";
import { baseline, inRows } from "./report-contestants.js";
import { type Column, folded, section, table } from "./report-markdown.js";
import { NONE, orNone, ratio, times, whole } from "./report-units.js";
import type { Call, ServerResults, Throughput, Times } from "./results.js";

/** What one contestant needs: the less, the better. */
interface Figure extends Pick<Times, "median" | "p5" | "p95"> {
  text: string;
}

/** One measurement of both layouts, and the best of the others. */
interface Compared {
  what: string;
  where: "loopback" | "10 ms a round trip";
  column: Figure | undefined;
  rows: Figure | undefined;
  other: Figure & { name: string };
}

const figureOf = (measured: Times): Figure => ({ ...measured, text: times(measured) });
/** Of a rate, the time that one takes. */
const figureOfRate = (rate: number): Figure => {
  const time = 1000 / rate;
  return { median: time, p5: time, p95: time, text: `${whole(rate)}/s` };
};

/** Nothing where no other contestant, or neither layout, has the measurement. */
function compared(
  server: ServerResults,
  what: string,
  where: Compared["where"],
  figure: (name: string) => Figure | undefined,
): Compared[] {
  const [column, rows] = [baseline(server), server.contestants.find(inRows)].map(
    (ours) => ours && figure(ours.name),
  );
  const others = server.contestants.flatMap(({ name, kind }) => {
    const own = kind === "published" || kind === "statements" ? figure(name) : undefined;
    return own ? [{ ...own, name }] : [];
  });
  const [other] = others.toSorted((one, another) => one.median - another.median);
  return other && (column || rows) ? [{ what, where, column, rows, other }] : [];
}

const SESSIONS: Record<Throughput["sessions"], string> = {
  one: "on one session",
  each: "on a session each",
  busy: "on one session that grows",
};

function comparisons(server: ServerResults): Compared[] {
  const calls = groups(server.calls).flatMap(({ calls, sizes }) =>
    sizes.flatMap((size) => {
      const own = calls.filter((call) => call.size === size);
      const what = callName(own[0] as Call);
      const callOf = (name: string) => own.find(({ contestant }) => contestant === name);
      const at = (where: Compared["where"], measure: (name: string) => Times | null | undefined) =>
        compared(server, what, where, (name) => {
          const measured = measure(name);
          return measured ? figureOf(measured) : undefined;
        });
      return [
        ...at("loopback", (name) => callOf(name)?.loopback),
        ...at("10 ms a round trip", (name) => callOf(name)?.delayed),
      ];
    }),
  );
  const most = Math.max(...server.throughput.map(({ writers }) => writers));
  const rates = Object.entries(SESSIONS).flatMap(([sessions, where]) =>
    compared(server, `appends of ${most} writers ${where}`, "loopback", (name) => {
      const run = server.throughput.find(
        (run) => run.sessions === sessions && run.writers === most && run.contestant === name,
      );
      return run && run.lost === 0 ? figureOfRate(run.appendsPerSecond) : undefined;
    }),
  );
  return [...calls, ...rates];
}

/** The faster of the two layouts. */
const bestOf = ({ column, rows }: Compared): Figure | undefined =>
  column && rows ? (rows.median < column.median ? rows : column) : (rows ?? column);

const isAhead = (one: Compared): boolean => one.other.median < (bestOf(one)?.median ?? 0);

function overlap(one: Compared): string {
  const ours = bestOf(one);
  return ours && ours.p5 <= one.other.p95 && one.other.p5 <= ours.p95 ? "overlap" : "apart";
}

const show = (all: Compared[]): string =>
  table(
    all,
    [
      ["", ({ what }) => what],
      ["at", ({ where }) => where],
      ["fastest other", ({ other }) => other.name],
      ["its figure", ({ other }) => other.text],
      ["column", ({ column }) => column?.text ?? NONE],
      ["message rows", ({ rows }) => rows?.text ?? NONE],
      ...(["column", "rows"] as const).map(
        (layout): Column<Compared> => [
          `${layout} / other`,
          (one) => orNone(one[layout] && one[layout].median / one.other.median, ratio),
        ],
      ),
      ["ranges", overlap],
    ],
    3,
  );

/** Which measurements another contestant wins, from the figures. Those that lose appends are no rivals at throughput. */
export function aheadSection(server: ServerResults): string {
  const all = comparisons(server);
  if (all.length === 0) return "";
  const ahead = all.filter(isAhead);
  const counted = (where: Compared["where"]) => {
    const of = (some: Compared[]) => some.filter((one) => one.where === where).length;
    return `${of(ahead)} of ${of(all)}`;
  };
  return section(
    "### Where others are ahead",
    `Another contestant is faster than both layouts of this package in ${counted("loopback")} measurements on loopback, and in ${counted("10 ms a round trip")} at 10 ms a round trip. This package is taken over postgres.js; a contestant that lost appends does not count in the rates. Where ranges overlap, the next run may have another order.`,
    show(ahead),
    folded("All measurements, beside the fastest other contestant", show(all)),
  );
}
