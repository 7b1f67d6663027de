import { chosenAxis, measuredAxis } from "./report-axes.js";
import { serverName } from "./report-contestants.js";
import { figure } from "./report-figure.js";
import { among, panelTitles, ROOM, stacked } from "./report-panels.js";
import { lines, type Point, seriesOf } from "./report-series.js";
import { bytes, duration, roundBytes, roundDuration, whole } from "./report-units.js";
import type { Call, ServerResults } from "./results.js";

const PANELS: Record<string, string> = {
  append: "one more message",
  grow: "an answer stored six times while it grows",
};

interface Shown {
  title: string;
  label: string;
  measure: (call: Call) => number | undefined;
  format: (value: number) => string;
  mark: (value: number) => string;
}

/** Appends and growing answers over the number of messages. */
function lengthPlot(server: ServerResults, { title, label, measure, format, mark }: Shown) {
  const series = seriesOf(server);
  const points: Point[] = server.calls.flatMap((call) => {
    const panel = PANELS[call.workload];
    const y = measure(call);
    if (panel === undefined || y === undefined || call.size === null) return [];
    return [{ series: call.contestant, x: call.size, y, panel }];
  });
  const shown = among(series, points);
  if (shown.length === 0) return undefined;
  const panels = Object.values(PANELS).filter((name) => shown.some(({ panel }) => panel === name));
  const x = chosenAxis({
    values: shown.map((point) => point.x),
    label: "messages in the session before",
    format: whole,
  });
  const y = measuredAxis({ values: shown.map((point) => point.y), label, format: mark }, "y");
  return figure(title, `${serverName(server)} over loopback. Both scales are logarithmic.`, {
    ...ROOM,
    ...stacked(panels),
    x: x.scale,
    y: y.scale,
    marks: [...y.marks, ...x.marks, panelTitles(shown), ...lines(series, shown, format)],
  });
}

export const growingPlot = (server: ServerResults): string | undefined =>
  lengthPlot(server, {
    title: "What a message costs as the conversation grows",
    label: "median time",
    measure: ({ loopback }) => loopback.median,
    format: duration,
    mark: roundDuration,
  });

export const walPlot = (server: ServerResults): string | undefined =>
  lengthPlot(server, {
    title: "What a message writes to the WAL as the conversation grows",
    label: "WAL",
    measure: ({ cost }) => cost?.walBytes,
    format: bytes,
    mark: roundBytes,
  });
