import { createAnthropic as anthropic5 } from "anthropic5";
import { createAnthropic as anthropic6 } from "anthropic6";
import { createAnthropic as anthropic7 } from "anthropic7";
import { createGoogleGenerativeAI as google5 } from "google5";
import { createGoogleGenerativeAI as google6 } from "google6";
import { createGoogleGenerativeAI as google7 } from "google7";
import { createOpenAI as openai5 } from "openai5";
import { createOpenAI as openai6 } from "openai6";
import { createOpenAI as openai7 } from "openai7";
import { vi } from "vitest";

// biome-ignore lint/suspicious/noExplicitAny: what a provider is sent, and the models of three versions
type Any = any;

/** What a provider streams for one answer: reasoning, text, a call of the tool "weather", and the end. */
interface Script {
  think: object[];
  say: object[];
  call: object[];
  finish(reason: "stop" | "tool-calls" | "length"): object[];
}

/** A provider: its models, its streams, and the requests that it would refuse. */
interface Provider {
  models: Record<string, (fetch: Any) => Any>;
  script(n: number): Script;
  /** Why the provider would return 400, or undefined. */
  faultsOf(body: Any, completed: ReadonlySet<string>): string[];
}

const ids = (n: number) => ({ reasoning: `rs_${n}`, text: `msg_${n}`, call: `fc_${n}` });

const openai: Provider = {
  models: {
    "ai v5": (fetch) => openai5({ fetch, apiKey: "none" })("gpt-5"),
    "ai v6": (fetch) => openai6({ fetch, apiKey: "none" })("gpt-5"),
    "ai v7": (fetch) => openai7({ fetch, apiKey: "none" })("gpt-5"),
  },
  script(n) {
    const { reasoning, text, call } = ids(n);
    const item = (output_index: number, item: object) => ({
      added: { type: "response.output_item.added", output_index, item },
      done: { type: "response.output_item.done", output_index, item },
    });
    const thought = item(0, { type: "reasoning", id: reasoning, summary: [], encrypted_content: "e" });
    const message = item(1, { type: "message", id: text, role: "assistant", content: [] });
    const called = { type: "function_call", id: call, call_id: `call_${n}`, name: "weather", arguments: "" };
    const summary = { item_id: reasoning, output_index: 0, summary_index: 0 };
    return {
      think: [
        { type: "response.created", response: { id: `resp_${n}`, created_at: 1, model: "gpt-5" } },
        thought.added,
        { type: "response.reasoning_summary_part.added", ...summary },
        { type: "response.reasoning_summary_text.delta", ...summary, delta: "Hm." },
        { type: "response.reasoning_summary_part.done", ...summary },
        thought.done,
      ],
      say: [
        message.added,
        { type: "response.output_text.delta", item_id: text, output_index: 1, content_index: 0, delta: "So" },
        { type: "response.output_text.delta", item_id: text, output_index: 1, content_index: 0, delta: "." },
        message.done,
      ],
      call: [
        item(2, called).added,
        {
          type: "response.function_call_arguments.delta",
          item_id: call,
          output_index: 2,
          delta: '{"city":"Lyon"}',
        },
        item(2, { ...called, arguments: '{"city":"Lyon"}', status: "completed" }).done,
      ],
      finish: (reason) => [
        reason === "length"
          ? {
              type: "response.incomplete",
              response: {
                incomplete_details: { reason: "max_output_tokens" },
                usage: { input_tokens: 1, output_tokens: 1 },
              },
            }
          : { type: "response.completed", response: { usage: { input_tokens: 1, output_tokens: 1 } } },
      ],
    };
  },
  faultsOf({ input }: { input: Any[] }, completed) {
    const outputs = new Set(input.map(({ type, call_id }) => type === "function_call_output" && call_id));
    return input.flatMap((item, n) => {
      const next = input[n + 1];
      const isReasoning = ({ type, id = "" }: Any) => type === "reasoning" || /^rs_/.test(id);
      if (item.id !== undefined && !completed.has(item.id)) return `${item.id} is of no response`;
      if (isReasoning(item) && (!next || next.role === "user" || isReasoning(next)))
        return `${item.id} lacks its following item`;
      if (item.type === "function_call" && !outputs.has(item.call_id)) return `${item.call_id} has no output`;
      const texts = typeof item.content === "string" ? [{ text: item.content }] : (item.content ?? []);
      if (!texts.every(({ text }: Any) => text === undefined || text.trim())) return "an empty text";
      return [];
    });
  },
};

const anthropic: Provider = {
  models: {
    "ai v5": (fetch) => anthropic5({ fetch, apiKey: "none" })("claude-sonnet-4-5"),
    "ai v6": (fetch) => anthropic6({ fetch, apiKey: "none" })("claude-sonnet-4-5"),
    "ai v7": (fetch) => anthropic7({ fetch, apiKey: "none" })("claude-sonnet-4-5"),
  },
  script(n) {
    const usage = { input_tokens: 1, output_tokens: 1 };
    const block = (index: number, content_block: object, ...deltas: object[]) => [
      { type: "content_block_start", index, content_block },
      ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
      { type: "content_block_stop", index },
    ];
    return {
      think: [
        {
          type: "message_start",
          message: { id: `m_${n}`, model: "claude", role: "assistant", content: [], usage },
        },
        ...block(
          0,
          { type: "thinking", thinking: "" },
          { type: "thinking_delta", thinking: "Hm." },
          { type: "signature_delta", signature: "sig" },
        ),
      ],
      say: block(
        1,
        { type: "text", text: "" },
        { type: "text_delta", text: "So" },
        { type: "text_delta", text: "." },
      ),
      call: block(
        2,
        { type: "tool_use", id: `call_${n}`, name: "weather", input: {} },
        { type: "input_json_delta", partial_json: '{"city":"Lyon"}' },
      ),
      finish: (reason) => [
        {
          type: "message_delta",
          delta: {
            stop_reason: { stop: "end_turn", "tool-calls": "tool_use", length: "max_tokens" }[reason],
            stop_sequence: null,
          },
          usage,
        },
        { type: "message_stop" },
      ],
    };
  },
  faultsOf({ messages }: { messages: Any[] }) {
    const results = new Set(messages.flatMap(({ content }) => content.map((one: Any) => one.tool_use_id)));
    return messages.flatMap(({ role, content }) => {
      if (content.length === 0) return `an empty message of the ${role}`;
      if (content.every(({ type }: Any) => type === "thinking")) return "a message of thinking alone";
      return content.flatMap((one: Any) => {
        if (one.type === "text" && !one.text.trim()) return "an empty text";
        if (one.type === "thinking" && !one.signature) return "thinking without a signature";
        return one.type === "tool_use" && !results.has(one.id) ? `${one.id} has no result` : [];
      });
    });
  },
};

const google: Provider = {
  models: {
    "ai v5": (fetch) => google5({ fetch, apiKey: "none" })("gemini-2.5-flash"),
    "ai v6": (fetch) => google6({ fetch, apiKey: "none" })("gemini-2.5-flash"),
    "ai v7": (fetch) => google7({ fetch, apiKey: "none" })("gemini-2.5-flash"),
  },
  script() {
    const parts = (...parts: object[]) => [{ candidates: [{ content: { role: "model", parts } }] }];
    return {
      think: parts({ text: "Hm.", thought: true, thoughtSignature: "s" }),
      say: [...parts({ text: "So" }), ...parts({ text: "." })],
      call: parts({ functionCall: { name: "weather", args: { city: "Lyon" } }, thoughtSignature: "s" }),
      finish: (reason) => [
        {
          candidates: [
            {
              content: { role: "model", parts: [{ text: "" }] },
              finishReason: reason === "length" ? "MAX_TOKENS" : "STOP",
            },
          ],
          usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 },
        },
      ],
    };
  },
  faultsOf({ contents }: { contents: Any[] }) {
    return contents.flatMap(({ role, parts }, n) => {
      if (parts.length === 0) return `an empty content of the ${role}`;
      if (parts.every(({ thought }: Any) => thought)) return "a content of thoughts alone";
      const calls = parts.filter(({ functionCall }: Any) => functionCall).length;
      const answers = (contents[n + 1]?.parts ?? []).filter(({ functionResponse }: Any) => functionResponse);
      if (calls !== answers.length && role === "model") return "a call without a response";
      return parts.some(({ text }: Any) => text === "") ? "an empty text" : [];
    });
  },
};

export const PROVIDERS: Record<string, Provider> = { OpenAI: openai, Anthropic: anthropic, Google: google };

/** A request to a provider. The test controls the response. */
export class Call {
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  readonly response: Response;

  constructor(
    readonly body: Any,
    signal: AbortSignal | undefined,
  ) {
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
    });
    signal?.addEventListener("abort", () => this.#controller.error(signal.reason));
    this.response = new Response(stream, { headers: { "content-type": "text/event-stream" } });
  }

  send(events: readonly object[]): void {
    for (const event of events)
      this.#controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`));
  }
  end(): void {
    this.#controller.close();
  }
  breakOff(): void {
    this.#controller.error(new TypeError("the connection broke"));
  }
}

/** A model of the provider's own package. The test answers its requests. */
export function openModel(name: string, version: string) {
  const provider = PROVIDERS[name] as Provider;
  const calls: Call[] = [];
  const fetch = async (_: string, init: RequestInit) => {
    const call = new Call(JSON.parse(String(init.body)), init.signal ?? undefined);
    calls.push(call);
    return call.response;
  };
  return {
    model: provider.models[version]?.(fetch),
    provider,
    /** The nth request, once it is made. */
    call: (n: number): Promise<Call> =>
      vi.waitUntil(() => calls[n], { timeout: 30_000, interval: 5 }) as Promise<Call>,
  };
}
