import { bySize, callName, groups, TEXTS } from "./report-calls.js";
import { aboveFloor, type Contestant, nameOf, pooled } from "./report-contestants.js";
import { type Column, joined, section, table } from "./report-markdown.js";
import { bytes, count, duration, orNone, ratio, whole } from "./report-units.js";
import type { Call, Cost, ServerResults } from "./results.js";

/** A turn on a conversation of middling length, in what it takes from network, server and client. */
export function costSections(server: ServerResults): string {
  const measured = server.calls.filter(({ workload, cost }) => workload === "turn" && cost);
  const direct = server.contestants.filter((contestant) => !pooled(contestant));
  return joined(
    ...groups(measured).map(({ calls }) => {
      const distance = ({ size }: Call) => Math.abs(Math.log((size ?? 1) / 100));
      const [nearest] = calls.toSorted((one, other) => distance(one) - distance(other)) as [Call];
      const costOf = (name: string) =>
        calls.find(({ contestant, size }) => contestant === name && size === nearest.size)?.cost;
      const part = (heading: string, cell: (cost: Cost) => string): Column<Contestant> => [
        heading,
        ({ name }) => orNone(costOf(name), cell),
      ];
      return section(
        `### What a turn at ${whole(nearest.size ?? 0)} messages costs, ${TEXTS[nearest.text]}`,
        table(direct, [
          ["", nameOf],
          part("round trips", ({ roundTrips }) => count(roundTrips)),
          part("sent", ({ bytesSent }) => bytes(bytesSent)),
          part("received", ({ bytesReceived }) => bytes(bytesReceived)),
          part("WAL", ({ walBytes }) => bytes(walBytes)),
          part("buffers", ({ buffers }) => whole(buffers)),
          part("server CPU", ({ serverCpu }) => orNone(serverCpu, duration)),
          part("client heap", ({ heapBytes }) => bytes(heapBytes)),
        ]),
      );
    }),
  );
}

/** What a message writes, by the length of the session. */
export const walSections = (server: ServerResults): string =>
  joined(
    ...groups(server.calls.filter(({ workload, cost }) => cost && ["append", "grow"].includes(workload))).map(
      (group) =>
        section(
          `### WAL: ${group.title.charAt(0).toLowerCase()}${group.title.slice(1)}`,
          bySize(server, group, ({ cost }) => orNone(cost?.walBytes, bytes)),
        ),
    ),
  );

/** What this package adds to its own statements, each beside the floor on the same driver. */
export function floorSections(server: ServerResults): string {
  const floors = server.contestants.filter(({ kind }) => kind === "floor");
  return joined(
    ...floors.map((floor) => {
      const ours = aboveFloor(server, floor);
      const pairs = server.calls.flatMap((call) => {
        const below = server.calls.find(
          ({ contestant, workload, text, size }) =>
            contestant === floor.name &&
            workload === call.workload &&
            text === call.text &&
            size === call.size,
        );
        return call.contestant === ours?.name && below ? [{ call, below }] : [];
      });
      return section(
        `### “${ours?.name}” beside “${floor.name}”`,
        table(pairs, [
          ["", ({ call }) => callName(call)],
          ["ours", ({ call }) => duration(call.loopback.median)],
          ["floor", ({ below }) => duration(below.loopback.median)],
          ["difference", ({ call, below }) => duration(call.loopback.median - below.loopback.median)],
          ["ours / floor", ({ call, below }) => ratio(call.loopback.median / below.loopback.median)],
          [
            "at 10 ms a round trip",
            ({ call, below }) =>
              orNone(call.delayed && below.delayed && call.delayed.median / below.delayed.median, ratio),
          ],
        ]),
      );
    }),
  );
}
