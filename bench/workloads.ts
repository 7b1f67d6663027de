import { randomUUID } from "node:crypto";
import type { JourneyMessage } from "../src/index.js";
import type { Session, Store } from "./contestants/contestant.js";
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
}

/** The data of one round, the same for each contestant. */
export interface Material {
  /** A session that does not exist yet. */
  session: Session;
  /** The session's conversation, if the call has its own session. */
  conversation: JourneyMessage[];
  user: JourneyMessage;
  assistant: JourneyMessage;
  patch: Record<string, unknown>;
  newId: string;
}

/** A number is what the contestant found. */
const CALLS = {
  first: (store: Required<Store>, session: Session, { user }: Material) => store.first(session, user),
  turn: (store: Required<Store>, session: Session, { user, assistant }: Material) =>
    store.turn(session, user, assistant),
  open: (store: Required<Store>, session: Session) => store.open(session),
  last: (store: Required<Store>, session: Session) => store.last(session),
  list: (store: Required<Store>, { userId }: Session) => store.list(userId),
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
  return workload === "last" || workload === "list" ? 20 : undefined;
}

/** The messages that a session must have after this many writing calls. */
export function left({ workload, size }: Workload, calls: number): number | undefined {
  if (workload === "first") return 1;
  return workload === "turn" && size !== null ? size + 2 * calls : undefined;
}

const prose = { text: "prose" } as const;
const tool = { text: "tool" } as const;

export const workloads: readonly Workload[] = [
  { workload: "first", size: null, ...prose, before: "nothing", rounds: 200 },
  { workload: "turn", size: 10, ...prose, before: "own session", rounds: 200 },
  { workload: "turn", size: 100, ...prose, before: "own session", rounds: 200 },
  // The session grows by two messages per call: seeding one for each call would take too long.
  { workload: "turn", size: 1000, ...prose, before: "shared session", rounds: 40 },
  { workload: "turn", size: 5000, ...prose, before: "shared session", rounds: 15 },
  { workload: "turn", size: 10, ...tool, before: "own session", rounds: 200 },
  { workload: "turn", size: 100, ...tool, before: "own session", rounds: 60 },
  { workload: "open", size: 10, ...prose, before: "shared session", rounds: 200 },
  { workload: "open", size: 100, ...prose, before: "shared session", rounds: 200 },
  { workload: "open", size: 1000, ...prose, before: "shared session", rounds: 60 },
  { workload: "open", size: 5000, ...prose, before: "shared session", rounds: 20 },
  { workload: "last", size: 100, ...prose, before: "shared session", rounds: 200 },
  { workload: "last", size: 1000, ...prose, before: "shared session", rounds: 60 },
  { workload: "last", size: 5000, ...prose, before: "shared session", rounds: 20 },
  // Here the size is that of a session, in bytes.
  { workload: "list", size: 1000, ...prose, before: "many sessions", rounds: 200 },
  { workload: "list", size: 1_000_000, ...prose, before: "many sessions", rounds: 200 },
  { workload: "merge", size: 100, ...prose, before: "shared session", rounds: 200 },
  { workload: "fork", size: 100, ...prose, before: "shared session", rounds: 200 },
];

/** Sessions in a list. Those of a megabyte are the newest 40, so all that a page reads; a thousand are a gigabyte for each contestant. */
export const SESSIONS = 1000;
const LARGE_SESSIONS = 40;
const SMALL_BYTES = 1000;

export function drawMaterial({ before, size, text }: Workload, texts: Texts): Material {
  const [user, assistant] = texts.turn(text);
  return {
    session: newSession(),
    conversation: before === "own session" ? texts.conversation(size ?? 0, text) : [],
    user,
    assistant,
    // Metadata has a few keys, whose values change.
    patch: { [`answer${Math.floor(Math.random() * 8)}`]: texts.sentence() },
    newId: randomUUID(),
  };
}

export const newSession = (userId: string = randomUserId()): Session => ({ userId, id: randomUUID() });

/** Like ids of Clerk: a prefix and 27 characters. */
const randomUserId = () => `user_${randomUUID().replaceAll("-", "").slice(0, 27)}`;

/** The sessions that exist before all calls, oldest first. Calls use the last one. */
export function shared({ before, size, text }: Workload, texts: Texts, many: number) {
  if (before === "shared session") {
    return [{ session: newSession(), messages: texts.conversation(size ?? 0, text) }];
  }
  if (before !== "many sessions") return [];
  const owner = newSession().userId;
  const large = size !== null && size > SMALL_BYTES ? texts.ofSize(size) : null;
  return Array.from({ length: many }, (_, n) => ({
    session: newSession(owner),
    messages: large && n >= many - LARGE_SESSIONS ? texts.again(large) : texts.ofSize(SMALL_BYTES),
  }));
}
