import { AIMessage, type BaseMessage, HumanMessage, SystemMessage } from "@langchain/core/messages";
import type { RunnableConfig } from "@langchain/core/runnables";
import {
  type Checkpoint,
  copyCheckpoint,
  emptyCheckpoint,
  maxChannelVersion,
  uuid6,
} from "@langchain/langgraph-checkpoint";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";
import pg from "pg";
import type { JourneyMessage } from "../../src/index.js";
import type { Contestant, Session } from "./contestant.js";

/** The channels of the graph's state. */
interface State {
  messages: BaseMessage[];
  metadata: Record<string, unknown>;
}

/** Where a thread stands: its newest checkpoint, with all values. */
interface Head {
  config: RunnableConfig;
  checkpoint: Checkpoint;
  step: number;
}

type ContentBlock = { type: string; [field: string]: unknown };

const CLASSES = { user: HumanMessage, assistant: AIMessage, system: SystemMessage };

/** A tool's result becomes text, as in the messages of LangGraph's own tools. */
function toBlocks(part: JourneyMessage["parts"][number]): ContentBlock[] {
  const type: string = part.type;
  if (type === "step-start") return [];
  if (type === "text") return [{ type, text: part.text }];
  if (type === "reasoning") return [{ type, reasoning: part.text }];
  if (!type.startsWith("tool-")) return [part];
  const { toolCallId: id, input, output } = part;
  return [
    { type: "tool_use", id, name: type.slice("tool-".length), input },
    { type: "tool_result", tool_use_id: id, content: JSON.stringify(output) },
  ];
}

function toLangChain({ id, role, parts, metadata }: JourneyMessage): BaseMessage {
  const blocks = parts.flatMap(toBlocks);
  const isText = blocks.length === 1 && blocks[0]?.type === "text";
  const content = isText ? (blocks[0]?.text as string) : blocks;
  return new CLASSES[role]({ id, content, ...(metadata && { additional_kwargs: { metadata } }) });
}

const newThread = (id: string): Head => ({
  config: { configurable: { thread_id: id, checkpoint_ns: "" } },
  checkpoint: emptyCheckpoint(),
  step: -1,
});

const messagesOf = ({ checkpoint }: Head) => (checkpoint.channel_values as Partial<State>).messages ?? [];

/**
 * Left out: list, since a thread is known by its checkpoints only, and these come with their messages.
 * The channel is the one that graphs have by default; DeltaChannel, which does not store all messages
 * at every step, is a beta.
 */
export const langgraph: Contestant = {
  name: "LangGraph",
  kind: "published",
  longest: 1000,
  about:
    "@langchain/langgraph-checkpoint-postgres 1.0.5: getTuple, then a put of all messages for the user's and one for the assistant's; 9 statements a turn, where @langchain/langgraph 1.7.3 sends 23 for a graph of one node",
  async open({ url, connections }) {
    // Idle connections are kept, as postgres.js does.
    const pool = new pg.Pool({ connectionString: url, max: connections, idleTimeoutMillis: 0 });
    const saver = new PostgresSaver(pool);
    await saver.setup();

    /** What a graph does first, at every invocation. */
    async function load(id: string): Promise<Head> {
      const head = newThread(id);
      const tuple = await saver.getTuple(head.config);
      if (!tuple) return head;
      return { config: tuple.config, checkpoint: tuple.checkpoint, step: tuple.metadata?.step ?? 0 };
    }
    /** What a graph does at the end of a super-step that changed these channels. */
    async function put(head: Head, changed: Partial<State>): Promise<Head> {
      const checkpoint = copyCheckpoint(head.checkpoint);
      const versions = Object.values(checkpoint.channel_versions);
      const version = saver.getNextVersion(
        versions.length > 0 ? (maxChannelVersion(...versions) as number) : undefined,
      );
      const newVersions = Object.fromEntries(Object.keys(changed).map((channel) => [channel, version]));
      const step = head.step + 1;
      checkpoint.id = uuid6(step);
      checkpoint.ts = new Date().toISOString();
      Object.assign(checkpoint.channel_values, changed);
      Object.assign(checkpoint.channel_versions, newVersions);
      const metadata = { source: "loop" as const, step, parents: {} };
      const config = await saver.put(head.config, checkpoint, metadata, newVersions);
      return { config, checkpoint, step };
    }
    const putMessage = (head: Head, message: JourneyMessage) =>
      put(head, { messages: [...messagesOf(head), toLangChain(message)] });
    async function append({ id }: Session, message: JourneyMessage) {
      await putMessage(await load(id), message);
    }

    return {
      tables: ["checkpoints", "checkpoint_blobs", "checkpoint_writes"],
      async seed({ id }, messages) {
        await put(newThread(id), { messages: messages.map(toLangChain) });
      },
      first: append,
      async turn({ id }, user, assistant) {
        const asked = await putMessage(await load(id), user);
        await putMessage(asked, assistant);
      },
      append,
      async grow({ id }, versions) {
        let head = await load(id);
        const before = messagesOf(head);
        for (const version of versions) {
          head = await put(head, { messages: [...before, toLangChain(version)] });
        }
      },
      open: async ({ id }) => messagesOf(await load(id)).length,
      // A checkpoint is read as a whole.
      last: async ({ id }) => messagesOf(await load(id)).slice(-20).length,
      async merge({ id }, patch) {
        const head = await load(id);
        const { metadata } = head.checkpoint.channel_values as Partial<State>;
        await put(head, { metadata: { ...metadata, ...patch } });
      },
      async fork({ id }, newId) {
        const { checkpoint } = await load(id);
        await put(newThread(newId), { ...checkpoint.channel_values });
      },
      close: () => saver.end(),
    };
  },
};
