import type { ServerResults } from "./results.js";

export type Contestant = ServerResults["contestants"][number];

export const pooled = ({ name }: Contestant): boolean => /pgbouncer|pooler/i.test(name);

/** This package with a row per message. */
export const inRows = ({ name }: Pick<Contestant, "name">): boolean => /^ours, message rows/.test(name);

/** Ours in bold, so that the eye finds them. */
export const nameOf = ({ name, kind }: Contestant): string => (kind === "ours" ? `**${name}**` : name);

/** What the ratios are of: this package with the driver that its `connect()` takes. */
export const baseline = ({ contestants }: ServerResults): Contestant | undefined =>
  contestants.find((contestant) => contestant.kind === "ours" && !pooled(contestant));

/** This package in the layout and on the driver that the floor is measured with. */
export function aboveFloor({ contestants }: ServerResults, floor: Contestant): Contestant | undefined {
  const way = ({ name }: Contestant) => name.slice(name.indexOf(", "));
  return contestants.find((contestant) => contestant.kind === "ours" && way(contestant) === way(floor));
}

export const serverName = ({ version, from }: ServerResults): string =>
  from === "npm" ? `${version} from npm` : version;
