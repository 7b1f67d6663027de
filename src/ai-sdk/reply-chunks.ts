import { isMessage, type MessageShape } from "../messages.js";
import type { Interruption } from "./interruption.js";

/** A chunk of the AI SDK's UI message stream, as far as it is read here. */
export interface Chunk {
  type: string;
  messageId?: string;
  finishReason?: string;
}

const EVENT = "data: ";
const DONE = "[DONE]";

/** A chunk as the AI SDK sends it: a server-sent event. */
export const toEvent = (chunk: object): string => `${EVENT}${JSON.stringify(chunk)}\n\n`;

export const LAST_EVENT = `${EVENT}${DONE}\n\n`;

/** The chunks of whole events. JSON has no line breaks of its own. */
export const chunksOf = (events: string): Chunk[] =>
  events
    .split("\n\n")
    .filter((event) => event.startsWith(EVENT) && event !== `${EVENT}${DONE}`)
    .map((event) => JSON.parse(event.slice(EVENT.length)));

/** The id of the message that the chunks make. */
export const messageIdOf = (events: string): string | undefined => {
  const [first] = chunksOf(events.slice(0, events.indexOf("\n\n") + 2));
  return first?.type === "start" ? first.messageId : undefined;
};

/** Shows that the reply failed. */
export const errorEvent = (errorText: string): string => toEvent({ type: "error", errorText });

/** What tells readers how an incomplete reply ended: the mark that its stored message has. */
export const endOf = (interrupted: Interruption | undefined): string =>
  interrupted ? toEvent({ type: "message-metadata", messageMetadata: { interrupted } }) : "";

interface AiSdk {
  readUIMessageStream(options: {
    message: MessageShape | undefined;
    stream: ReadableStream<Chunk>;
    onError(error: unknown): void;
  }): AsyncIterable<MessageShape>;
}

/**
 * The message that the chunks make, however few of them there are; undefined if there is nothing of it.
 *
 * @param begun the stored message that they continue
 */
export async function messageOf(
  chunks: readonly Chunk[],
  begun: MessageShape | undefined,
): Promise<MessageShape | undefined> {
  // Here alone, since a browser needs none of it.
  const { readUIMessageStream } = (await import("ai")) as unknown as AiSdk;
  const stream = new ReadableStream<Chunk>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  let message: MessageShape | undefined;
  // A chunk that it refuses ends the message there.
  for await (const one of readUIMessageStream({ message: begun, stream, onError() {} })) message = one;
  return isMessage(message) ? message : undefined;
}
