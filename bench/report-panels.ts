import * as Plot from "@observablehq/plot";
import { INK } from "./report-figure.js";
import type { Point, Series } from "./report-series.js";

/** Around a plot whose lines are named at the right. */
export const ROOM = { marginRight: 345, marginLeft: 62, marginBottom: 46 };

/** Stacks plots vertically. */
export const stacked = (panels: string[]): Plot.PlotOptions => ({
  height: 20 + panels.length * 310,
  marginTop: 48,
  fy: { axis: null, domain: panels, paddingInner: panels.length > 1 ? 0.2 : 0, paddingOuter: 0 },
});

/** A logarithmic scale cannot show zero. */
export const among = <Shown extends Point>(series: Series[], points: Shown[]): Shown[] =>
  points.filter((point) => point.y > 0 && series.some(({ name }) => name === point.series));

export const panelTitles = (points: Point[]): Plot.Text => {
  const panels = [...new Set(points.flatMap(({ panel }) => panel ?? []))];
  const title = { fy: (panel: string) => panel, text: (panel: string) => panel, fill: INK, fontWeight: 600 };
  return Plot.text(panels, { ...title, frameAnchor: "top-left", lineAnchor: "bottom", dy: -8 });
};
