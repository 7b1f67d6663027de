import type { MastraDBMessage } from "@mastra/core/memory";
import { PostgresStore } from "@mastra/pg";
import type { JourneyMessage } from "../../src/index.js";
import type { Contestant, Session } from "./contestant.js";

type Part = JourneyMessage["parts"][number];

/** Mastra stores parts in the AI SDK's older form. */
function toMastraPart(part: Part): Part {
  const type: string = part.type;
  if (type === "text") return { type, text: part.text };
  if (type === "reasoning") return { type, reasoning: "", details: [{ type: "text", text: part.text }] };
  if (!type.startsWith("tool-")) return part;
  const { toolCallId, input, output, state } = part;
  const toolInvocation = { toolCallId, toolName: type.slice("tool-".length), args: input };
  return state === "output-available"
    ? { type: "tool-invocation", toolInvocation: { ...toolInvocation, state: "result", result: output } }
    : { type: "tool-invocation", toolInvocation: { ...toolInvocation, state: "call" } };
}

const SEEDED_AT_ONCE = 500;

export const mastra: Contestant = {
  name: "Mastra",
  kind: "published",
  about:
    "@mastra/pg 1.27.1: saveMessages reads the thread, then inserts the message and touches the thread in a transaction; 10 statements a turn",
  async open({ url, connections }) {
    const store = new PostgresStore({
      id: "bench",
      connectionString: url,
      max: connections,
      // As postgres.js, which closes none.
      idleTimeoutMillis: 0,
    });
    await store.init();
    const memory = await store.getStore("memory");
    if (!memory) throw new Error("@mastra/pg has no memory store");

    let latest = 0;
    /** Strictly increasing, as Mastra itself dates messages: it orders by this time, to the millisecond. */
    const now = () => {
      latest = Math.max(Date.now(), latest + 1);
      return new Date(latest);
    };
    const toMastra = (session: Session, message: JourneyMessage, createdAt: Date): MastraDBMessage => ({
      id: message.id,
      threadId: session.id,
      resourceId: session.userId,
      role: message.role,
      createdAt,
      content: {
        format: 2,
        parts: message.parts.map(toMastraPart) as MastraDBMessage["content"]["parts"],
        ...(message.metadata === undefined ? {} : { metadata: message.metadata }),
      },
    });
    const create = async ({ id, userId }: Session) => {
      const createdAt = now();
      await memory.saveThread({
        thread: { id, resourceId: userId, title: "", metadata: {}, createdAt, updatedAt: createdAt },
      });
    };
    const append = async (session: Session, message: JourneyMessage) => {
      await memory.saveMessages({ messages: [toMastra(session, message, now())] });
    };

    const page = async (userId: string, field: "createdAt" | "updatedAt") => {
      const { threads } = await memory.listThreads({
        filter: { resourceId: userId },
        perPage: 20,
        orderBy: { field, direction: "DESC" },
      });
      return threads.length;
    };

    return {
      tables: ["mastra_threads", "mastra_messages"],
      async seed(session, messages) {
        await create(session);
        const end = now().getTime();
        const rows = messages.map((message, n) =>
          toMastra(session, message, new Date(end - messages.length + n)),
        );
        // The time of a call grows with the square of its messages.
        for (let n = 0; n < rows.length; n += SEEDED_AT_ONCE) {
          await memory.saveMessages({ messages: rows.slice(n, n + SEEDED_AT_ONCE) });
        }
      },
      async first(session, message) {
        await create(session);
        await append(session, message);
      },
      async turn(session, user, assistant) {
        await append(session, user);
        await append(session, assistant);
      },
      append,
      async grow(session, versions) {
        const createdAt = now();
        for (const version of versions) {
          await memory.saveMessages({ messages: [toMastra(session, version, createdAt)] });
        }
      },
      async open({ id, userId }) {
        const { messages } = await memory.listMessages({
          threadId: id,
          resourceId: userId,
          perPage: false,
          includeTotal: false,
        });
        return messages.length;
      },
      async last({ id, userId }) {
        const { messages } = await memory.listMessages({
          threadId: id,
          resourceId: userId,
          perPage: 20,
          orderBy: { field: "createdAt", direction: "DESC" },
          includeTotal: false,
        });
        return messages.reverse().length;
      },
      list: (userId) => page(userId, "createdAt"),
      updated: (userId) => page(userId, "updatedAt"),
      async merge({ id }, patch) {
        await memory.updateThread({ id, metadata: patch });
      },
      async fork({ id }, newId) {
        await memory.copyThread({ sourceThreadId: id, newThreadId: newId });
      },
      close: () => store.close(),
    };
  },
};
