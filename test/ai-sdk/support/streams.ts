import { resumeTurn } from "../../../src/ai-sdk.js";
import type { JourneyMessage } from "../../../src/index.js";
import { SDKS } from "./ai-chat.js";

// biome-ignore lint/suspicious/noExplicitAny: as in ai-chat.ts
type Any = any;

/** Comments, which keep a connection alive, are no events. */
export const eventsIn = (text: string): string => text.replaceAll(/^:.*\n\n/gm, "");

/** The chunks of a stream as it was sent. */
export const chunksIn = (text: string): Any[] =>
  [...text.matchAll(/^data: (.*)$/gm)]
    .map(([, data]) => data as string)
    .filter((data) => data !== "[DONE]")
    .map((data) => JSON.parse(data));

/** The message that a page makes of a stream, of which it has nothing yet. */
export async function messageIn(version: string, text: string): Promise<JourneyMessage | undefined> {
  const { ai } = SDKS[version] as { ai: Any };
  const stream = new ReadableStream({
    start(controller) {
      for (const chunk of chunksIn(text)) controller.enqueue(chunk);
      controller.close();
    },
  });
  let message: JourneyMessage | undefined;
  const onError = () => {};
  for await (const one of ai.readUIMessageStream({ stream, onError })) message = one;
  return message;
}

/** Reads a response as it arrives. */
export function reader(response: Response) {
  const stream = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = "";
  let isDone = false;
  const more = async () => {
    const { value, done } = await stream.read();
    isDone = done;
    text += decoder.decode(value, { stream: !done });
  };
  return {
    /** Reads until it has this, and returns all that it has. */
    async until(part: string): Promise<string> {
      while (!text.includes(part)) {
        if (isDone) throw new Error(`the stream ended before "${part}": ${text}`);
        await more();
      }
      return eventsIn(text);
    },
    /** Reads to the end. */
    async rest(): Promise<string> {
      while (!isDone) await more();
      return eventsIn(text);
    },
    cancel: () => stream.cancel(),
  };
}

/** A part of a stored message as JSON, as one that a page has rebuilt is. */
export const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

export const requestFor = (after?: string) => ({
  url: `http://application/api${after === undefined ? "" : `?after=${after}`}`,
});

/** The whole stream of a reply, of a page that resumes it. */
export const resumed = async (sessions: Any, id: string): Promise<string> =>
  reader(await resumeTurn(sessions, id, requestFor())).rest();
