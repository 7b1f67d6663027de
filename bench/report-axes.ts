import * as Plot from "@observablehq/plot";
import { QUIET } from "./report-figure.js";

const GRID = { stroke: QUIET, strokeOpacity: 0.18 };

/** Marks for a logarithmic axis: powers of ten, or 1, 2 and 5 of each where there is room. */
function logTicks([low, high]: [number, number], room: number): number[] {
  const steps = high / low > room ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    ticks.push(...steps.map((step) => Number(`${step}e${power}`)));
  return ticks.filter((tick) => tick >= low && tick <= high);
}

const roomAround = (values: number[]): [number, number] => [
  Math.min(...values) / 1.25,
  Math.max(...values) * 1.25,
];

interface Axis {
  values: number[];
  label: string;
  format: (value: number) => string;
}

// Not tickFormat: on a logarithmic axis it leaves some marks without a text.
const shown = ({ label, format }: Axis) => ({
  label,
  text: (value: number) => format(value),
  labelArrow: "none" as const,
  color: QUIET,
});

/** A logarithmic axis with round marks, and lines across the plot. */
export function measuredAxis(axis: Axis, at: "x" | "y"): { scale: Plot.ScaleOptions; marks: Plot.Markish[] } {
  const domain = roomAround(axis.values);
  const ticks = logTicks(domain, at === "y" ? 5000 : 50);
  const options = { ...shown(axis), tickSize: 0 };
  return {
    scale: { type: "log", domain },
    marks:
      at === "y"
        ? [Plot.gridY(ticks, GRID), Plot.axisY(ticks, options)]
        : [Plot.gridX(ticks, GRID), Plot.axisX(ticks, { ...options, labelAnchor: "center" })],
  };
}

/** A logarithmic axis with a mark at each value, for what was chosen. */
export function chosenAxis(axis: Axis): { scale: Plot.ScaleOptions; marks: Plot.Markish[] } {
  const values = [...new Set(axis.values)];
  return {
    scale: { type: "log" },
    marks: [Plot.axisX(values, { ...shown(axis), tickSize: 4, labelAnchor: "center" })],
  };
}
