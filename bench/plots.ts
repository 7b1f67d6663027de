import * as Plot from "@observablehq/plot";
import { chosenAxis, measuredAxis } from "./report-axes.js";
import { serverName } from "./report-contestants.js";
import { figure, INK } from "./report-figure.js";
import { growingPlot, walPlot } from "./report-length-plots.js";
import { listPlot } from "./report-list-plot.js";
import { among, panelTitles, ROOM, stacked } from "./report-panels.js";
import { lines, type Series, seriesOf } from "./report-series.js";
import { duration, roundDuration, whole } from "./report-units.js";
import type { Results, ServerResults } from "./results.js";

function appendPlot(server: ServerResults): string | undefined {
  const series = seriesOf(server);
  const points = among(
    series,
    server.calls.flatMap(({ workload, text, size, contestant, loopback }) =>
      workload === "turn" && text === "prose" && size !== null
        ? [{ series: contestant, x: size, y: loopback.median }]
        : [],
    ),
  );
  if (points.length === 0) return undefined;
  const x = chosenAxis({
    values: points.map((point) => point.x),
    label: "messages in the session before the turn",
    format: whole,
  });
  const y = measuredAxis(
    { values: points.map((point) => point.y), label: "median time of a turn", format: roundDuration },
    "y",
  );
  return figure(
    "What a turn costs as the conversation grows",
    `Storing the user's and the assistant's message over loopback on ${serverName(server)}. Both scales are logarithmic.`,
    {
      ...ROOM,
      height: 480,
      x: x.scale,
      y: y.scale,
      marks: [...y.marks, ...x.marks, ...lines(series, points, duration)],
    },
  );
}

function throughputPlot(server: ServerResults): string | undefined {
  const series = seriesOf(server);
  const panels = { one: "all writers on one session", each: "every writer on a session of its own" };
  const points = among(
    series,
    server.throughput.flatMap(({ contestant, writers, appendsPerSecond, sessions, lost }) =>
      sessions === "busy"
        ? []
        : [{ series: contestant, x: writers, y: appendsPerSecond, panel: panels[sessions], lost }],
    ),
  );
  if (points.length === 0) return undefined;
  const x = chosenAxis({ values: points.map((point) => point.x), label: "writers at once", format: whole });
  const y = measuredAxis(
    { values: points.map((point) => point.y), label: "appends a second", format: whole },
    "y",
  );
  const shown = Object.values(panels).filter((name) => points.some(({ panel }) => panel === name));
  const losing = points.filter(({ lost }) => lost > 0);
  return figure(
    "Appends a second with several writers",
    `${serverName(server)} over loopback. Both scales are logarithmic.${losing.length > 0 ? " A cross: acknowledged appends were lost." : ""}`,
    {
      ...ROOM,
      ...stacked(shown),
      x: x.scale,
      y: y.scale,
      marks: [
        ...y.marks,
        ...x.marks,
        panelTitles(points),
        ...lines(series, points, (rate) => `${whole(rate)}/s`),
        Plot.dot(losing, {
          x: "x",
          y: "y",
          fy: "panel",
          symbol: "times",
          r: 5,
          stroke: INK,
          strokeWidth: 1.75,
        }),
      ],
    },
  );
}

const STORAGE: Series[] = [
  { name: "pglz", colour: "#b25a05", width: 2.5 },
  { name: "lz4", colour: "#1b74d1", width: 2.5 },
  { name: "uncompressed", colour: "#1a7f37", width: 2.5 },
];

function storagePlot(servers: ServerResults[]): string | undefined {
  const points = servers.flatMap((server) =>
    server.storage.map(({ storage: series, messages: x, loopback }) => ({
      series,
      x,
      y: loopback.median,
      panel: serverName(server),
      low: loopback.p5,
      high: loopback.p95,
    })),
  );
  if (points.length === 0) return undefined;
  const panels = [...new Set(points.map(({ panel }) => panel))];
  const x = chosenAxis({
    values: points.map((point) => point.x),
    label: "messages in the session before the append",
    format: whole,
  });
  const y = measuredAxis(
    {
      values: points.flatMap(({ low, high }) => [low, high]),
      label: "median time of an append",
      format: roundDuration,
    },
    "y",
  );
  const bands = STORAGE.map(({ name, colour }) =>
    Plot.areaY(
      points.filter(({ series }) => series === name),
      { x: "x", y1: "low", y2: "high", fy: "panel", fill: colour, fillOpacity: 0.12 },
    ),
  );
  return figure(
    "What an append costs by the way the server stores the session",
    "An append by this package; the bands reach from the 5th to the 95th percentile. Both scales are logarithmic.",
    {
      ...ROOM,
      marginRight: 190,
      ...stacked(panels),
      x: x.scale,
      y: y.scale,
      marks: [...y.marks, ...x.marks, panelTitles(points), ...bands, ...lines(STORAGE, points, duration)],
    },
  );
}

/** The pictures by file name, without those that have no data. */
export function plots({ servers }: Results): Map<string, string> {
  const [server] = servers;
  const drawn = {
    "append.svg": server && appendPlot(server),
    "growing.svg": server && growingPlot(server),
    "wal.svg": server && walPlot(server),
    "list.svg": server && listPlot(server),
    "throughput.svg": server && throughputPlot(server),
    "storage.svg": storagePlot(servers),
  };
  return new Map(Object.entries(drawn).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
