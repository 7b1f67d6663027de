import { randomUUID } from "node:crypto";
import * as v6 from "ai";
import { MockLanguageModelV3 } from "ai/test";
import * as v5 from "ai5";
import { MockLanguageModelV2 } from "ai5/test";
import * as v7 from "ai7";
import { MockLanguageModelV4 } from "ai7/test";
import { vi } from "vitest";
import * as z from "zod";
import {
  errorResponse,
  interruption,
  resumeTurn,
  startTurn,
  stopTurn,
  titleOf,
  turnRequest,
  turnsOf,
} from "../../../src/ai-sdk.js";
import { type Database, forUser, type JourneyMessage } from "../../../src/index.js";
import { newUser } from "../../support/database.js";
import { durableFor } from "../../support/replies.js";

// biome-ignore lint/suspicious/noExplicitAny: the versions' types are not assignable to one another, and what is tested here is what runs; test-d.ts has the types
type Any = any;

export const SDKS: Record<string, { ai: Any; Model: Any }> = {
  "ai v5": { ai: v5, Model: MockLanguageModelV2 },
  "ai v6": { ai: v6, Model: MockLanguageModelV3 },
  "ai v7": { ai: v7, Model: MockLanguageModelV4 },
};

export const SDK_VERSIONS = Object.keys(SDKS);

type ToolName = "weather" | "locate" | "book";

/** A reply of the model, controlled by the test. */
export class Reply {
  #controller!: ReadableStreamDefaultController<unknown>;
  readonly stream = new ReadableStream({
    start: (controller) => {
      this.#controller = controller;
      controller.enqueue({ type: "stream-start", warnings: [] });
    },
  });

  /** Fails when it is aborted, as a provider's request does. */
  constructor(
    private readonly version: string,
    signal: AbortSignal,
  ) {
    const fail = () => this.#controller.error(signal.reason);
    if (signal.aborted) fail();
    signal.addEventListener("abort", fail);
  }

  begin(): void {
    this.#controller.enqueue({ type: "text-start", id: "t" });
  }
  words(delta: string): void {
    this.#controller.enqueue({ type: "text-delta", id: "t", delta });
  }
  /** Calls tools, with the ids "book-0", "book-1" and so on. */
  call(...tools: ToolName[]): void {
    this.#calls(tools);
    this.#finish("tool-calls");
  }
  callOnly(tool: ToolName): void {
    this.#calls([tool]);
  }
  end(): void {
    this.#controller.enqueue({ type: "text-end", id: "t" });
    this.stop();
  }
  /** Ends with "stop", whatever is left open. */
  stop(): void {
    this.#finish("stop");
  }
  fail(): void {
    this.#controller.enqueue({ type: "error", error: new Error("the model failed") });
    this.#controller.close();
  }
  /** Breaks the provider's connection. What was not read by then is lost. */
  breakOff(): void {
    this.#controller.error(new Error("the connection broke"));
  }
  /** A complete text. Others may follow. */
  part(text: string): void {
    this.begin();
    this.words(text);
    this.#controller.enqueue({ type: "text-end", id: "t" });
  }
  /** A complete reply. */
  says(text: string): void {
    this.part(text);
    this.#finish("stop");
  }

  #calls(tools: ToolName[]): void {
    for (const [n, toolName] of tools.entries()) {
      const toolCallId = `${toolName}-${n}`;
      this.#controller.enqueue({ type: "tool-call", toolCallId, toolName, input: '{"city":"Lyon"}' });
    }
  }

  #finish(reason: string): void {
    const old = this.version === "ai v5";
    const none = { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0, text: 0, reasoning: 0 };
    this.#controller.enqueue({
      type: "finish",
      finishReason: old ? reason : { unified: reason, raw: undefined },
      usage: old
        ? { inputTokens: 0, outputTokens: 0, totalTokens: 0 }
        : { inputTokens: none, outputTokens: none },
    });
    this.#controller.close();
  }
}

/** The text of a message. */
export const wordsOf = ({ parts }: JourneyMessage): string =>
  parts.map((part) => (part.type === "text" ? part.text : "")).join("");

/** What a test may replace. */
interface Own {
  model?: Any;
  tools?: Any;
  sessions?: (user: string) => Any;
  respond?(ai: Any, result: Any, response: Any): Response;
  /** Options of startTurn. */
  options?: Any;
  /** Whether its replies are durable. Its database needs their tables. */
  durable?: boolean;
}

/**
 * A chat application of one version of the AI SDK, with one user and one session: its route handler,
 * and open pages. There is no network between them.
 */
export function openApplication(db: Database, version: string, own: Own = {}) {
  const user = newUser();
  const id = randomUUID();
  const handleOf = own.sessions ?? ((user: string) => (own.durable ? durableFor : forUser)(db, user));
  const sessions = () => handleOf(user) as ReturnType<typeof durableFor>;
  const storedMessages = async () => (await sessions().get(id))?.messages ?? [];
  const { ai, Model } = SDKS[version] as { ai: Any; Model: Any };
  const replies: Reply[] = [];
  const prompts: Any[] = [];
  const stored: Promise<unknown>[] = [];
  const statuses: number[] = [];
  const network = { isDown: false };
  const scripted = new Model({
    doStream: async ({ prompt, abortSignal }: Any) => {
      prompts.push(prompt);
      const reply = new Reply(version, abortSignal);
      replies.push(reply);
      return { stream: reply.stream };
    },
  });
  const booked: string[] = [];
  let toolsMayEnd: Promise<void> | undefined;
  const inputSchema = z.object({ city: z.string() });
  const tools = {
    weather: ai.tool({
      inputSchema,
      execute: async ({ city }: Any) => {
        await toolsMayEnd;
        return `fair in ${city}`;
      },
    }),
    /** Runs in the page. */
    locate: ai.tool({ inputSchema }),
    /** Needs approval, which v5 does not have. */
    book: ai.tool({
      inputSchema,
      needsApproval: true,
      execute: async ({ city }: Any) => `booked ${booked.push(city)}`,
    }),
  };

  async function handle(request: Request): Promise<Response> {
    try {
      const options = { title: titleOf, ...(own.durable && { durable: true }), ...own.options };
      const turn = await startTurn(sessions(), id, request, options);
      stored.push(turn.stored);
      const result = ai.streamText({
        model: own.model ?? scripted,
        tools: { ...tools, ...own.tools },
        stopWhen: ai.stepCountIs(3),
        messages: await ai.convertToModelMessages(turn.messages, { ignoreIncompleteToolCalls: true }),
        abortSignal: own.durable ? turn.signal : request.signal,
        onError: () => {},
      });
      return own.respond?.(ai, result, turn.response) ?? result.toUIMessageStreamResponse(turn.response);
    } catch (error) {
      return errorResponse(error);
    }
  }

  const resume = (request: { url: string } = { url: "http://application/api" }) =>
    resumeTurn(sessions(), id, request);

  /** A page that shows the session as it is stored now. */
  async function openPage(shown?: JourneyMessage[]) {
    const messages = shown ?? (await storedMessages());
    const state = {
      status: "ready",
      error: undefined,
      messages,
      pushMessage(message: Any) {
        this.messages = [...this.messages, message];
      },
      popMessage() {
        this.messages = this.messages.slice(0, -1);
      },
      replaceMessage(index: number, message: Any) {
        this.messages = this.messages.with(index, message);
      },
      snapshot: structuredClone,
    };
    class Page extends (ai.AbstractChat as new (init: Any) => Any) {
      get turns() {
        return turnsOf(this as Any) as ReturnType<typeof turnsOf<JourneyMessage, Any>>;
      }
    }
    const transport = new ai.DefaultChatTransport({
      api: "http://application/api",
      prepareSendMessagesRequest: turnRequest,
      fetch: async (url: string, init: RequestInit) => {
        if (network.isDown) throw new TypeError("Failed to fetch");
        const request = new Request(url, init);
        const response = await (request.method === "GET" ? resume(request) : handle(request));
        statuses.push(response.status);
        return response;
      },
    });
    return new Page({
      id,
      state,
      transport,
      generateId: crypto.randomUUID.bind(crypto),
      sendAutomaticallyWhen: (now: Any) =>
        // An answer that another page stopped has ended.
        !(own.durable && interruption(now.messages.at(-1))) &&
        (ai.lastAssistantMessageIsCompleteWithToolCalls(now) ||
          ai.lastAssistantMessageIsCompleteWithApprovalResponses?.(now)),
    }) as Any;
  }

  /** The nth reply of the model, once it is requested. */
  const reply = (n: number): Promise<Reply> =>
    vi.waitUntil(() => replies[n], { timeout: 30_000, interval: 5 }) as Promise<Reply>;

  /** The nth answer, once it is stored or dropped. */
  async function storedAnswer(n: number): Promise<Any> {
    await vi.waitUntil(() => n in stored, { timeout: 30_000, interval: 5 });
    return stored[n];
  }

  return {
    user,
    id,
    sessions,
    storedMessages,
    conversation: async () => (await storedMessages()).map(wordsOf),
    openPage,
    handle,
    /** The handler of the stream that is being produced. */
    resume,
    stop: () => stopTurn(sessions(), id),
    prompts,
    statuses,
    network,
    booked,
    /** Keeps tools running until the returned function is called. */
    holdTools(): () => void {
      let release = () => {};
      toolsMayEnd = new Promise((resolve) => {
        release = resolve;
      });
      return release;
    },
    reply,
    stored: storedAnswer,
    /** Waits until a request of a page has the nth reply, complete and stored. */
    async answered(n: number, asked: Promise<void>, text: string): Promise<void> {
      (await reply(n)).says(text);
      await asked;
      await storedAnswer(n);
    },
  };
}
