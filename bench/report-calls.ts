import { baseline, type Contestant, nameOf } from "./report-contestants.js";
import { type Column, folded, joined, section, table } from "./report-markdown.js";
import { NONE, orNone, ratio, roundBytes, times, whole } from "./report-units.js";
import type { Call, ServerResults, Times } from "./results.js";

type Measure = (call: Call) => Times | null;

const loopback: Measure = (call) => call.loopback;
const delayed: Measure = (call) => call.delayed;

const WORKLOADS: Record<string, string> = {
  first: "The first message",
  turn: "A turn: the user's message is stored, then the assistant's",
  append: "One more message",
  grow: "An answer stored six times while it grows to 2 kB",
  open: "Opening a session with all its messages",
  last: "The last 20 messages",
  list: "A page of the list: the 20 newest sessions",
  updated: "A page of the list by last change",
  merge: "Merging a key into the metadata",
  fork: "Forking a session with all its messages",
};
export const TEXTS = {
  prose: "prose of about 2 kB a message",
  tool: "every other message with a tool's result of 40 kB",
};

function sizeName({ workload, size }: Pick<Call, "workload" | "size">): string {
  if (size === null) return "time";
  if (workload === "list") return `${roundBytes(size)} a session`;
  return workload === "updated" ? `${whole(size)} sessions` : `${whole(size)} messages`;
}

export const callName = (call: Call): string =>
  [call.workload, call.text === "tool" && "tool results", call.size !== null && sizeName(call)]
    .filter(Boolean)
    .join(", ");

export const distinct = <T>(values: T[]): T[] => [...new Set(values)];

interface Group {
  title: string;
  calls: Call[];
  sizes: (number | null)[];
}

/** The calls of one workload on one kind of text. */
export function groups(calls: Call[]): Group[] {
  return distinct(calls.map(({ workload }) => workload)).flatMap((workload) => {
    const all = calls.filter((call) => call.workload === workload);
    const texts = distinct(all.map(({ text }) => text));
    return texts.map((text) => {
      const own = all.filter((call) => call.text === text);
      const ofText = texts.length > 1 || text === "tool" ? ` (${TEXTS[text]})` : "";
      return {
        title: `${WORKLOADS[workload] ?? workload}${ofText}`,
        calls: own,
        sizes: distinct(own.map(({ size }) => size)).sort((one, other) => (one ?? 0) - (other ?? 0)),
      };
    });
  });
}

/** One row a contestant, one column a size. */
export function bySize(
  { contestants }: ServerResults,
  { calls, sizes }: Group,
  cell: (call: Call, size: number | null) => string,
): string {
  const sample = calls[0] as Call;
  return table<Contestant>(contestants, [
    ["", nameOf],
    ...sizes.map(
      (size): Column<Contestant> => [
        sizeName({ workload: sample.workload, size }),
        ({ name }) => {
          const call = calls.find((call) => call.contestant === name && call.size === size);
          return call ? cell(call, size) : NONE;
        },
      ],
    ),
  ]);
}

function ratios(server: ServerResults, group: Group, measure: Measure): string {
  const ours = baseline(server);
  const base = (size: number | null) => {
    const call = group.calls.find((call) => call.contestant === ours?.name && call.size === size);
    return call && measure(call)?.median;
  };
  if (!group.sizes.some((size) => base(size))) return "";
  return bySize(server, group, (call, size) => {
    const [own, other] = [base(size), measure(call)?.median];
    return own && other !== undefined ? ratio(other / own) : NONE;
  });
}

/** How the time grows with the session. */
function growth(server: ServerResults, group: Group): string {
  const [least, ...more] = group.sizes;
  const isByLength = group.calls.some(({ workload }) => ["turn", "append", "grow"].includes(workload));
  if (!isByLength || more.length === 0 || least === undefined) return "";
  return bySize(server, group, ({ contestant, loopback }) => {
    const first = group.calls.find((call) => call.contestant === contestant && call.size === least);
    return first ? ratio(loopback.median / first.loopback.median) : NONE;
  });
}

const ranges = (server: ServerResults, group: Group, measure: Measure): string =>
  group.calls.some(measure) ? bySize(server, group, (call) => orNone(measure(call), times)) : "";

function numberOfCalls(measured: (Times | null)[]): string {
  const numbers = measured.flatMap((one) => one?.calls ?? []);
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)].map(whole);
  return `${least === most ? least : `${least}–${most}`} calls each`;
}

/** For each workload the times, the same at a distance, and both as ratios to ours. */
export function callSections(server: ServerResults): string {
  const ours = baseline(server)?.name;
  return joined(
    ...groups(server.calls).map((group) => {
      const far = ranges(server, group, delayed);
      return section(
        `### ${group.title}`,
        `On loopback, ${numberOfCalls(group.calls.map(loopback))}:`,
        ranges(server, group, loopback),
        far && `At 10 ms a round trip, ${numberOfCalls(group.calls.map(delayed))}:`,
        far,
        folded(`On loopback, as a multiple of “${ours}”`, ratios(server, group, loopback)),
        folded(`At 10 ms a round trip, as a multiple of “${ours}”`, ratios(server, group, delayed)),
        folded("On loopback, as a multiple of the shortest session’s time", growth(server, group)),
      );
    }),
  );
}
