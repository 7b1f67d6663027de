import Table from "cli-table3";
import { nameOf } from "./benchmark.js";
import type { ServerResults } from "./results.js";

const MOST_COLUMNS = 8;
/** The most important results of a run. */
const TELLING = ["turn 10", "turn 1000", "append 10", "append 20000", "grow 1000", "open 1000", "last 20000"];

const milliseconds = (value: number | undefined) => (value === undefined ? "–" : value.toPrecision(3));

/** Median milliseconds on loopback, one row per contestant; RESULTS.md has all results. */
export function overview({ version, contestants, calls }: ServerResults): string {
  const measured = [...new Set(calls.map(nameOf))];
  const columns =
    measured.length > MOST_COLUMNS ? measured.filter((name) => TELLING.includes(name)) : measured;
  const distant = columns.includes("turn 10") ? ["turn 10"] : columns.slice(0, 1);
  const table = new Table({
    head: [`${version}, ms`, ...columns, ...distant.map((name) => `${name} at 10 ms`)],
    colAligns: ["left", ...columns.map(() => "right" as const), "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const { name } of contestants) {
    const of = (column: string) => calls.find((one) => one.contestant === name && nameOf(one) === column);
    table.push([
      name,
      ...columns.map((column) => milliseconds(of(column)?.loopback.median)),
      ...distant.map((column) => milliseconds(of(column)?.delayed?.median)),
    ]);
  }
  return table.toString();
}
