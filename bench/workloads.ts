import { randomUUID } from "node:crypto";
import type { JourneyMessage } from "../src/index.js";
import type { Contestant, Session, Store } from "./contestants/contestant.js";
import type { Call } from "./results.js";
import type { Texts } from "./texts.js";

/** What exists before a call: nothing, a session of its own, one that all calls share, or many of one user. */
type Before = "nothing" | "own session" | "shared session" | "many sessions";

/** A workload that contestants are timed on. */
export interface Workload extends Pick<Call, "workload" | "size" | "text"> {
  workload: keyof typeof CALLS;
  before: Before;
  /** Maximum rounds in a full run; fewer if the time is up. */
  rounds: number;
  /** Whether a quick run has it: that leaves out what takes longest. */
  quick?: true;
  /** Left to the contestants that connect directly. */
  direct?: true;
}

/** The data of one round, the same for each contestant. */
export interface Material {
  /** A session that does not exist yet. */
  session: Session;
  /** The session's conversation, if the call has its own session. */
  conversation: JourneyMessage[];
  user: JourneyMessage;
  assistant: JourneyMessage;
  versions: JourneyMessage[];
  patch: Record<string, unknown>;
  newId: string;
}

/** A number is what the contestant found. */
const CALLS = {
  first: (store: Required<Store>, session: Session, { user }: Material) => store.first(session, user),
  turn: (store: Required<Store>, session: Session, { user, assistant }: Material) =>
    store.turn(session, user, assistant),
  append: (store: Required<Store>, session: Session, { assistant }: Material) =>
    store.append(session, assistant),
  grow: (store: Required<Store>, session: Session, { versions }: Material) => store.grow(session, versions),
  open: (store: Required<Store>, session: Session) => store.open(session),
  last: (store: Required<Store>, session: Session) => store.last(session),
  list: (store: Required<Store>, { userId }: Session) => store.list(userId),
  updated: (store: Required<Store>, { userId }: Session) => store.updated(userId),
  merge: (store: Required<Store>, session: Session, { patch }: Material) => store.merge(session, patch),
  fork: (store: Required<Store>, session: Session, { newId }: Material) => store.fork(session, newId),
} satisfies Record<string, (store: Required<Store>, session: Session, material: Material) => unknown>;

export const call = (
  { workload }: Workload,
  store: Store,
  session: Session,
  material: Material,
): Promise<number | undefined> =>
  CALLS[workload](store as Required<Store>, session, material) as Promise<number | undefined>;

/** What a reading call must find. */
export function found({ workload, size }: Workload): number | undefined {
  if (workload === "open") return size ?? undefined;
  return ["last", "list", "updated"].includes(workload) ? 20 : undefined;
}

/** The messages that a session must have after this many writing calls. */
export function left({ workload, size }: Workload, calls: number): number | undefined {
  if (workload === "first") return 1;
  const added = { turn: 2, append: 1, grow: 1 }[workload as string];
  return added !== undefined && size !== null ? size + added * calls : undefined;
}

const prose = { text: "prose" } as const;
const tool = { text: "tool" } as const;
const quick = { quick: true } as const;
const own = { before: "own session" } as const;
// It grows with each writing call: seeding a long one for each call would take too long.
const common = { before: "shared session" } as const;

export const workloads: readonly Workload[] = [
  { workload: "first", size: null, ...prose, before: "nothing", rounds: 200, ...quick },
  { workload: "turn", size: 10, ...prose, ...own, rounds: 200, ...quick },
  { workload: "turn", size: 100, ...prose, ...own, rounds: 200, ...quick },
  { workload: "turn", size: 1000, ...prose, ...common, rounds: 40, ...quick },
  { workload: "turn", size: 5000, ...prose, ...common, rounds: 40 },
  { workload: "turn", size: 20_000, ...prose, ...common, rounds: 40, direct: true },
  { workload: "turn", size: 10, ...tool, ...own, rounds: 200, ...quick },
  // 100 questions, and 100 answers that hold a tool's result.
  { workload: "turn", size: 200, ...tool, ...common, rounds: 40 },
  { workload: "append", size: 10, ...prose, ...own, rounds: 200, ...quick, direct: true },
  { workload: "append", size: 100, ...prose, ...own, rounds: 200, direct: true },
  { workload: "append", size: 1000, ...prose, ...common, rounds: 60, ...quick, direct: true },
  { workload: "append", size: 5000, ...prose, ...common, rounds: 60, direct: true },
  { workload: "append", size: 20_000, ...prose, ...common, rounds: 60, direct: true },
  { workload: "grow", size: 10, ...prose, ...own, rounds: 100, ...quick, direct: true },
  { workload: "grow", size: 100, ...prose, ...own, rounds: 100, direct: true },
  { workload: "grow", size: 1000, ...prose, ...common, rounds: 40, direct: true },
  { workload: "grow", size: 5000, ...prose, ...common, rounds: 40, direct: true },
  { workload: "grow", size: 20_000, ...prose, ...common, rounds: 40, direct: true },
  { workload: "open", size: 10, ...prose, ...common, rounds: 200, ...quick },
  { workload: "open", size: 100, ...prose, ...common, rounds: 200, ...quick },
  { workload: "open", size: 1000, ...prose, ...common, rounds: 60 },
  { workload: "open", size: 5000, ...prose, ...common, rounds: 20 },
  { workload: "open", size: 200, ...tool, ...common, rounds: 20 },
  { workload: "last", size: 100, ...prose, ...common, rounds: 200, ...quick },
  { workload: "last", size: 1000, ...prose, ...common, rounds: 60 },
  { workload: "last", size: 5000, ...prose, ...common, rounds: 40 },
  { workload: "last", size: 20_000, ...prose, ...common, rounds: 40, direct: true },
  // Here the size is that of a session, in bytes.
  { workload: "list", size: 1000, ...prose, before: "many sessions", rounds: 200, ...quick },
  { workload: "list", size: 1_000_000, ...prose, before: "many sessions", rounds: 200 },
  // And here the number of sessions.
  {
    workload: "updated",
    size: 10_000,
    ...prose,
    before: "many sessions",
    rounds: 100,
    ...quick,
    direct: true,
  },
  { workload: "merge", size: 100, ...prose, ...common, rounds: 200, ...quick },
  { workload: "fork", size: 100, ...prose, ...common, rounds: 200 },
];

/** A growing answer is stored six times: its sessions have at most this part of a contestant's longest. */
const PART_IF_GROWING = 1 / 4;

/** Whether the workload is one for this contestant. */
export const takesPart = (
  { workload, size, direct }: Workload,
  { through, longest = Number.POSITIVE_INFINITY }: Contestant,
): boolean => {
  if (direct && through) return false;
  if (workload === "list" || workload === "updated") return true;
  return (size ?? 0) <= longest * (workload === "grow" ? PART_IF_GROWING : 1);
};

/** Versions of an answer that is stored while it grows. */
const VERSIONS = 6;
/** Sessions in a list by creation, and in any of a quick run. Those of a megabyte are the newest 40, so all that a page reads; a thousand are a gigabyte for each contestant. */
const SESSIONS = { full: 1000, quick: 100 };
const LARGE_SESSIONS = 40;
const SMALL_BYTES = 1000;

export function drawMaterial({ before, size, text }: Workload, texts: Texts): Material {
  const [user, assistant] = texts.turn(text);
  return {
    session: newSession(),
    conversation: before === "own session" ? texts.conversation(size ?? 0, text) : [],
    user,
    assistant,
    versions: texts.growing(VERSIONS),
    // Metadata has a few keys, whose values change.
    patch: { [`answer${Math.floor(Math.random() * 8)}`]: texts.sentence() },
    newId: randomUUID(),
  };
}

export const newSession = (userId: string = randomUserId()): Session => ({ userId, id: randomUUID() });

/** Like ids of Clerk: a prefix and 27 characters. */
const randomUserId = () => `user_${randomUUID().replaceAll("-", "").slice(0, 27)}`;

/** The sessions that exist before all calls, oldest first. Calls use the last one. */
export function shared({ workload, before, size, text }: Workload, texts: Texts, quick: boolean) {
  if (before === "shared session") {
    return [{ session: newSession(), messages: texts.conversation(size ?? 0, text) }];
  }
  if (before !== "many sessions") return [];
  const owner = newSession().userId;
  const isCounted = workload === "updated";
  const many = isCounted && !quick ? (size ?? 0) : SESSIONS[quick ? "quick" : "full"];
  const large = !isCounted && size !== null && size > SMALL_BYTES ? texts.ofSize(size) : null;
  return Array.from({ length: many }, (_, n) => ({
    session: newSession(owner),
    messages: large && n >= many - LARGE_SESSIONS ? texts.again(large) : texts.ofSize(SMALL_BYTES),
  }));
}
