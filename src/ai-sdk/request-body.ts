import { JourneyDbError } from "../model/errors.js";

/** A request of Node.js, and of what is built on it, as Express: its headers, and its body as it comes or as a parser left it. */
export interface NodeRequest {
  headers: Record<string, string | string[] | undefined>;
  /** What a parser made of the body: JSON, text or bytes. Without one the body is read from the request. */
  body?: unknown;
  [Symbol.asyncIterator]?(): AsyncIterator<unknown>;
}

/** What a stream of Node.js has, too. */
interface NodeStream {
  iterator?(options: { destroyOnReturn: boolean }): AsyncIterable<unknown>;
  resume?(): void;
}

const unreadable = () =>
  new JourneyDbError("invalid_input", "request: expected a body that can be read, once");

/** Any page of any origin may send other types without being asked first. */
const JSON_TYPE = /^application\/([\w.-]+\+)?json\s*(;|$)/i;

const isWebRequest = (request: Request | NodeRequest): request is Request =>
  typeof request.headers.get === "function";

function headerOf(request: Request | NodeRequest, name: "content-type" | "content-length"): string {
  const value = isWebRequest(request) ? request.headers.get(name) : request.headers[name];
  return String(value ?? "");
}

async function* webBytes({ body }: Request): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader();
  try {
    for (;;) {
      const { value, done } = (await reader?.read()) ?? { done: true };
      if (done) return;
      yield value;
    }
  } finally {
    // Not waited for: the sender may never end.
    reader?.cancel().catch(() => {});
  }
}

async function* nodeBytes(request: NodeRequest & NodeStream): AsyncGenerator<Uint8Array> {
  const { body } = request;
  const encoder = new TextEncoder();
  const bytesOf = (piece: unknown) =>
    (typeof piece === "string"
      ? encoder.encode(piece)
      : piece instanceof ArrayBuffer
        ? new Uint8Array(piece)
        : piece) as Uint8Array;
  if (body !== undefined) {
    yield bytesOf(body);
    return;
  }
  // Destroying the request, as an iterator does in the end, would take the connection from the answer.
  const pieces = request.iterator?.({ destroyOnReturn: false }) ?? (request as AsyncIterable<unknown>);
  try {
    for await (const piece of pieces) yield bytesOf(piece);
  } finally {
    // What else arrives is thrown away.
    request.resume?.();
  }
}

/** The request's bytes as text, no more of them than are allowed. */
async function textOf(request: Request | NodeRequest, tooLarge: (bytes: number) => boolean): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const piece of isWebRequest(request) ? webBytes(request) : nodeBytes(request)) {
    bytes += piece.byteLength;
    if (tooLarge(bytes)) return text;
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}

/** Whether a parser has made JSON of the body. */
const isParsed = (body: unknown) =>
  body !== undefined &&
  typeof body !== "string" &&
  !(body instanceof Uint8Array || body instanceof ArrayBuffer);

/**
 * The JSON of a request, as it came.
 *
 * @param maxBytes more are not read; of a body that was parsed already, its header says how many there were
 * @throws JourneyDbError invalid_input, too_large
 */
export async function bodyOf(
  request: Request | NodeRequest,
  maxBytes: number,
): Promise<Record<string, unknown>> {
  if (typeof request?.headers !== "object" || request.headers === null)
    throw new JourneyDbError("invalid_input", "request: expected a Request, or the request of Node.js");
  let isTooLarge = false;
  const tooLarge = (bytes: number) => {
    isTooLarge ||= bytes > maxBytes;
    return isTooLarge;
  };
  let text: string | undefined;
  const parsed = !isWebRequest(request) && isParsed(request.body);
  if (!tooLarge(Number(headerOf(request, "content-length"))) && !parsed) {
    try {
      text = await textOf(request, tooLarge);
    } catch {
      throw unreadable();
    }
  }
  if (isTooLarge) throw new JourneyDbError("too_large", `request: expected at most ${maxBytes} bytes`);
  if (!JSON_TYPE.test(headerOf(request, "content-type")))
    throw new JourneyDbError("invalid_input", "request: expected the content type application/json");
  if (parsed) return (request as NodeRequest).body as Record<string, unknown>;
  try {
    return JSON.parse(text ?? "");
  } catch {
    throw new JourneyDbError("invalid_input", "request: expected JSON");
  }
}
