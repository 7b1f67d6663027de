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

/** A value as a server-sent event: a chunk as the AI SDK sends it. */
export const toEvent = (value: object | null): string => `${EVENT}${JSON.stringify(value)}\n\n`;

export const LAST_EVENT = `${EVENT}${DONE}\n\n`;

/** A server-sent event without content. */
export const EMPTY_EVENT = ":\n\n";

export const withoutSigns = (events: string): string => events.replace(/^(:\n\n)+/, "");

/** The chunks of whole events, up to the first that is none. JSON has no line breaks of its own. */
export function chunksOf(events: string): Chunk[] {
  const chunks: Chunk[] = [];
  for (const event of events.split("\n\n")) {
    if (!event.startsWith(EVENT) || event === `${EVENT}${DONE}`) continue;
    try {
      chunks.push(JSON.parse(event.slice(EVENT.length)));
    } catch {
      break;
    }
  }
  return chunks;
}

/** The chunk that begins a message. */
const startOf = (messageId: string): Chunk => ({ type: "start", messageId });

/** The first event, if it begins the message, and the others. */
export function splitStart(events: string): [start: string, rest: string] {
  const end = events.indexOf("\n\n") + 2;
  const [first] = chunksOf(events.slice(0, end));
  return first?.type === "start" ? [events.slice(0, end), events.slice(end)] : ["", events];
}

/** The event that begins a message, for a stream that does not: a page needs the message's id before anything of it. */
export const startEvent = (messageId: string): string => toEvent(startOf(messageId));

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
 * @param messageId its id
 * @param begun the stored message that they continue
 */
export async function messageOf(
  chunks: readonly Chunk[],
  messageId: string,
  begun: MessageShape | undefined,
): Promise<MessageShape | undefined> {
  // Here alone, since a browser needs none of it.
  const { readUIMessageStream } = (await import("ai")) as unknown as AiSdk;
  const stream = new ReadableStream<Chunk>({
    start(controller) {
      // The application may write something before the AI SDK begins the message, or not begin it at all.
      for (const chunk of [startOf(messageId), ...chunks]) controller.enqueue(chunk);
      controller.close();
    },
  });
  let message: MessageShape | undefined;
  // A chunk that it refuses ends the message there.
  for await (const one of readUIMessageStream({ message: begun, stream, onError() {} })) message = one;
  return isMessage(message) ? message : undefined;
}
