import { createHash } from "node:crypto";
import type { JourneyMessage } from "../../src/index.js";

/** Conversations that one writing program holds at once. */
export const WRITERS = 4;
/** Calls after which a writer begins another session. */
const SESSION_STEPS = 160;

/** The nth call of a writer: what it does follows from its number, and so does what is stored after it. */
export interface Step {
  session: number;
  message?: JourneyMessage;
  patch?: Record<string, number>;
}

/** Text that does not compress, so that it is spread over pages of its own. */
const incompressible = (step: number, lines: number) =>
  Array.from({ length: lines }, (_, line) =>
    createHash("sha256").update(`${step} ${line}`).digest("hex"),
  ).join(" ");

const message = (id: string, role: JourneyMessage["role"], step: number, lines: number): JourneyMessage => ({
  id,
  role,
  parts: [
    { type: "text", text: incompressible(step, lines) },
    { type: "data-step", data: step },
  ],
});

/** A turn is four calls: the user's message, the answer, the answer grown, the metadata. */
export function stepOf(step: number): Step {
  const session = Math.floor(step / SESSION_STEPS);
  const turn = Math.floor(step / 4);
  const lines = 1 + ((step * 7) % 40);
  switch (step % 4) {
    case 0:
      return { session, message: message(`${turn} user`, "user", step, lines) };
    case 1:
      return { session, message: message(`${turn} answer`, "assistant", step, 1) };
    case 2:
      return { session, message: message(`${turn} answer`, "assistant", step, lines) };
    default:
      return { session, patch: { [turn]: step } };
  }
}

/** The id of a writer's nth session: owners are `user_` and a uuid, of which the end is replaced. */
export const sessionIdOf = (owner: string, writer: number, session: number) =>
  `${owner.slice(5, -4)}${writer.toString(16)}${session.toString(16).padStart(3, "0")}`;

export interface Written {
  messages: JourneyMessage[];
  metadata: Record<string, unknown>;
}

/** What a writer's sessions hold after so many of its calls, each done once and in order. */
export function writtenAfter(steps: number): Written[] {
  const sessions: Written[] = [];
  for (let step = 0; step < steps; step++) {
    const { session, message, patch } = stepOf(step);
    sessions[session] ??= { messages: [], metadata: {} };
    const { messages, metadata } = sessions[session];
    Object.assign(metadata, patch);
    if (!message) continue;
    const place = messages.findIndex(({ id }) => id === message.id);
    messages.splice(place < 0 ? messages.length : place, place < 0 ? 0 : 1, message);
  }
  return sessions;
}

/** How many calls have taken effect, by the newest that left a trace. */
export function stepsIn(sessions: readonly Written[]): number {
  const { messages, metadata } = sessions.at(-1) ?? { messages: [], metadata: {} };
  const traces = messages.flatMap(({ parts }) =>
    parts.flatMap(({ data }) => (data === undefined ? [] : [data])),
  );
  return Math.max(-1, ...traces.map(Number), ...Object.values(metadata).map(Number)) + 1;
}
