import { SDKS } from "./ai-chat.js";

// biome-ignore lint/suspicious/noExplicitAny: the versions' types are not assignable to one another, and what is tested here is what runs
type Any = any;

/** What one version of the AI SDK sends to the model for a conversation, as in README's route. Throws if that version refuses it. */
export async function sentToModel(version: string, messages: readonly unknown[]): Promise<Any[]> {
  const { ai, Model } = SDKS[version] as { ai: Any; Model: Any };
  await ai.validateUIMessages({ messages });
  let sent: Any[] = [];
  const model = new Model({
    // Otherwise the AI SDK would download the URLs.
    supportedUrls: { "*": [/.*/] },
    doStream: async ({ prompt }: Any) => {
      sent = prompt;
      return { stream: new ReadableStream({ start: (controller) => controller.close() }) };
    },
  });
  const modelMessages = await ai.convertToModelMessages(messages, { ignoreIncompleteToolCalls: true });
  let failure: unknown;
  const result = ai.streamText({
    model,
    messages: [...modelMessages, { role: "user", content: "Go on." }],
    allowSystemInMessages: true,
    onError: ({ error }: Any) => {
      failure = error;
    },
  });
  await result.consumeStream();
  // Some versions throw at an empty stream, after the prompt was sent.
  if (sent.length === 0) throw failure;
  return sent.slice(0, -1);
}
