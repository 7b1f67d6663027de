import * as Plot from "@observablehq/plot";
import { pooled } from "./report-contestants.js";
import { endLabels } from "./report-labels.js";
import { whole } from "./report-units.js";
import type { ServerResults } from "./results.js";

/** How a contestant looks, the same in every plot. */
export interface Series {
  name: string;
  colour: string;
  width: number;
  dash?: string;
  /** Names it in bold and marks its points with larger dots. */
  bold?: boolean;
}

export interface Point {
  series: string;
  x: number;
  y: number;
  /** Which of the plots below one another. */
  panel?: string;
}

const COLOURS = {
  ours: ["#0a3796", "#1b74d1", "#00767a", "#2ba5a9"],
  floor: ["#59636e", "#8c959f"],
  published: ["#d1242f", "#b25a05", "#bf3989", "#9a6700"],
  statements: ["#1a7f37", "#8250df", "#c4570e", "#7a4a2b", "#667400"],
};
const STROKE = {
  ours: { width: 3.5, bold: true },
  floor: { width: 1.75, dash: "2 4" },
  published: { width: 1.75 },
  statements: { width: 1.75, dash: "7 4" },
};

/** Without those that go through a pooler: the tables have them. */
export function seriesOf({ contestants }: ServerResults): Series[] {
  const direct = contestants.filter((contestant) => !pooled(contestant));
  return direct.map(({ name, kind }, place) => {
    const before = direct.slice(0, place).filter((other) => other.kind === kind).length;
    const colours = COLOURS[kind];
    return { name, colour: colours[before % colours.length] as string, ...STROKE[kind] };
  });
}

/** A line for each series, named with its last value at the right. */
export function lines(all: Series[], points: Point[], format: (y: number) => string): Plot.Markish[] {
  const series = all.filter(({ name }) => points.some((point) => point.series === name));
  const facet = points.some(({ panel }) => panel !== undefined) ? { fy: "panel" } : {};
  const of = (name: string) =>
    points.filter((point) => point.series === name).sort((one, other) => one.x - other.x);
  const last = Math.max(...points.map(({ x }) => x));
  // Ours are named first and drawn last, on top.
  const strokes = series.toReversed().map(({ name, colour, width, dash, bold }) => [
    Plot.line(of(name), {
      ...facet,
      x: "x",
      y: "y",
      stroke: colour,
      strokeWidth: width,
      ...(dash !== undefined && { strokeDasharray: dash }),
    }),
    Plot.dot(of(name), { ...facet, x: "x", y: "y", r: bold ? 4 : 2.75, fill: colour }),
  ]);
  const labels = series.flatMap(({ name, colour, bold = false }) => {
    const own = of(name);
    const ends = own.filter(({ panel }, n) => !own.slice(n + 1).some((later) => later.panel === panel));
    return ends.map((end) => ({
      ...end,
      text: `${name}\u2002${format(end.y)}${end.x < last ? ` at ${whole(end.x)}` : ""}`,
      colour,
      bold,
    }));
  });
  return [...strokes, endLabels(labels, facet)];
}
