import * as Plot from "@observablehq/plot";
import { measuredAxis } from "./report-axes.js";
import { serverName } from "./report-contestants.js";
import { figure, PAPER, QUIET } from "./report-figure.js";
import { seriesOf } from "./report-series.js";
import { duration, orNone, roundBytes, roundDuration } from "./report-units.js";
import type { ServerResults } from "./results.js";

/** Where the columns of the list's figures end, right of the plot. */
const [FIRST, LAST] = [98, 204];

export function listPlot(server: ServerResults): string | undefined {
  const calls = server.calls.filter(({ workload, size }) => workload === "list" && size !== null);
  const [small, large] = [Math.min, Math.max].map((pick) => pick(...calls.map(({ size }) => size ?? 0)));
  const rows = seriesOf(server).flatMap((series) => {
    const at = (bytes = 0) =>
      calls.find(({ contestant, size }) => contestant === series.name && size === bytes)?.loopback.median;
    const [first, last] = [at(small), at(large)];
    return first === undefined && last === undefined ? [] : [{ ...series, first, last }];
  });
  if (rows.length === 0 || small === undefined || large === undefined) return undefined;
  rows.sort((one, other) => (one.last ?? one.first ?? 0) - (other.last ?? other.first ?? 0));
  const x = measuredAxis(
    {
      values: rows.flatMap(({ first, last }) => [first, last]).filter((median) => median !== undefined),
      label: "median time of a page",
      format: roundDuration,
    },
    "x",
  );
  const colour = { fill: "colour", y: "name" };
  const column = { y: "name", frameAnchor: "right", textAnchor: "end" } as const;
  const weights = [true, false].flatMap((bold) => {
    const some = rows.filter((row) => (row.bold ?? false) === bold);
    const fontWeight = bold ? 600 : 400;
    return [
      Plot.text(some, {
        ...colour,
        text: "name",
        frameAnchor: "left",
        textAnchor: "end",
        dx: -14,
        fontWeight,
      }),
      Plot.text(some, { ...column, text: ({ first }) => orNone(first, duration), dx: FIRST, fontWeight }),
      Plot.text(some, { ...column, text: ({ last }) => orNone(last, duration), dx: LAST, fontWeight }),
    ];
  });
  const head = {
    frameAnchor: "top-right",
    textAnchor: "end",
    lineAnchor: "bottom",
    dy: -8,
    fill: QUIET,
  } as const;
  return figure(
    "What a page of the list costs as sessions grow",
    `The 20 newest of a user's 1,000 sessions; in the second set the newest 40 have 1 MB. ${serverName(server)}, loopback, logarithmic.`,
    {
      height: 80 + rows.length * 34,
      marginLeft: 260,
      marginRight: 214,
      marginTop: 30,
      marginBottom: 46,
      x: x.scale,
      y: { axis: null, domain: rows.map(({ name }) => name), padding: 0.2 },
      marks: [
        ...x.marks,
        Plot.link(
          rows.filter(({ first, last }) => first !== undefined && last !== undefined),
          {
            y: "name",
            x1: "first",
            x2: "last",
            stroke: "colour",
            strokeWidth: ({ bold }) => (bold ? 5 : 3),
            strokeOpacity: 0.35,
          },
        ),
        Plot.dot(rows, { ...colour, x: "last", r: 6 }),
        Plot.dot(rows, { y: "name", x: "first", r: 4, fill: PAPER, stroke: "colour", strokeWidth: 2 }),
        ...weights,
        Plot.text([`○ ${roundBytes(small)} each`], { ...head, dx: FIRST }),
        Plot.text([`● ${roundBytes(large)} each`], { ...head, dx: LAST }),
      ],
    },
  );
}
