import type { Times } from "./results.js";

/** For what was not measured. */
export const NONE = "–";

/** Three digits, and all of those before the point. */
const formatter = (options: Intl.NumberFormatOptions): ((value: number) => string) => {
  const format = new Intl.NumberFormat("en", {
    maximumSignificantDigits: 3,
    maximumFractionDigits: 0,
    roundingPriority: "morePrecision",
    ...options,
  });
  return (value) => format.format(value).replace("-", "−");
};
const short = formatter({});
const aligned = formatter({ minimumSignificantDigits: 3 });

/** A unit's name and how many of the base unit it holds. */
type Unit = [name: string, size: number];
const TIME: Unit[] = [
  ["µs", 0.001],
  ["ms", 1],
  ["s", 1000],
];
const SIZE: Unit[] = [
  ["B", 1],
  ["kB", 1e3],
  ["MB", 1e6],
  ["GB", 1e9],
];

// 999.6 µs would be written as 1,000 µs: it belongs to the next unit.
const unitOf = (units: Unit[], value: number): Unit =>
  units.findLast(([, size]) => Math.abs(value) >= 0.9995 * size) ?? (units[0] as Unit);

function measured(units: Unit[], value: number, format: (value: number) => string): string {
  const [name, size] = unitOf(units, value);
  return `${format(value / size)} ${name}`;
}

export const count = short;
export const whole = (value: number): string => Math.round(value).toLocaleString("en");
export const duration = (ms: number): string => measured(TIME, ms, aligned);
/** For the marks of an axis: 1 ms, not 1.00 ms. */
export const roundDuration = (ms: number): string => measured(TIME, ms, short);
export const bytes = (value: number): string => measured(SIZE, value, value < 999.5 ? short : aligned);
/** For sizes that were chosen and not measured: 1,048,576 is 1 MB. */
export const roundBytes = (value: number): string =>
  measured(SIZE, value, formatter({ maximumSignificantDigits: 2 }));
export const percent = (share: number): string => `${short(100 * share)} %`;
export const ratio = (value: number): string => `${value < 1 ? value.toFixed(2) : aligned(value)}×`;

/** The median, and the range in the median's unit. */
export function times({ median, p5, p95 }: Times): string {
  const [name, size] = unitOf(TIME, median);
  return `${aligned(median / size)} ${name} (${aligned(p5 / size)}–${aligned(p95 / size)})`;
}

export const orNone = <T>(value: T | null | undefined, format: (value: T) => string): string =>
  value === null || value === undefined ? NONE : format(value);
