import { JourneyDbError } from "../model/errors.js";

/**
 * A request of Node.js or of a framework built on it, such as Express: its headers, and its unread or parsed
 * body.
 */
export interface NodeRequest {
  headers: Record<string, string | string[] | undefined>;
  /** The body as a parser left it: JSON, text or bytes. Without it, the body is read from the request. */
  body?: unknown;
  [Symbol.asyncIterator]?(): AsyncIterator<unknown>;
}

/** What a Node.js stream has as well. */
interface NodeStream {
  iterator?(options: { destroyOnReturn: boolean }): AsyncIterable<unknown>;
  resume?(): void;
}

/** A page of any origin may send other types without a preflight request. */
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
    // Not awaited: the sender may never end.
    reader?.cancel().catch(() => {});
  }
}

const encoder = new TextEncoder();

function bytesOf(chunk: unknown): Uint8Array {
  if (typeof chunk === "string") return encoder.encode(chunk);
  return chunk instanceof ArrayBuffer ? new Uint8Array(chunk) : (chunk as Uint8Array);
}

async function* nodeBytes(request: NodeRequest & NodeStream): AsyncGenerator<Uint8Array> {
  if (request.body !== undefined) return yield bytesOf(request.body);
  // By default, an iterator that ends early destroys the request and with it the connection for the response.
  const chunks = request.iterator?.({ destroyOnReturn: false }) ?? (request as AsyncIterable<unknown>);
  try {
    for await (const chunk of chunks) yield bytesOf(chunk);
  } finally {
    // Discards the rest.
    request.resume?.();
  }
}

/** Whether a parser has made JSON of the body. */
const isParsed = (body: unknown) =>
  body !== undefined &&
  typeof body !== "string" &&
  !(body instanceof Uint8Array || body instanceof ArrayBuffer);

/**
 * The JSON of a request.
 *
 * @param maxBytes no more are read; for a parsed body, the header says how many there were
 * @throws JourneyDbError invalid_input, too_large
 */
export async function bodyOf(
  request: Request | NodeRequest,
  maxBytes: number,
): Promise<Record<string, unknown>> {
  const invalid = (problem: string) => new JourneyDbError("invalid_input", `request: expected ${problem}`);
  const checkSize = (bytes: number) => {
    if (bytes > maxBytes)
      throw new JourneyDbError("too_large", `request: expected at most ${maxBytes} bytes`);
  };
  if (typeof request?.headers !== "object" || request.headers === null)
    throw invalid("a Request, or the request of Node.js");
  checkSize(Number(headerOf(request, "content-length")));
  if (!JSON_TYPE.test(headerOf(request, "content-type"))) throw invalid("the content type application/json");
  if (!isWebRequest(request) && isParsed(request.body)) return request.body as Record<string, unknown>;

  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  try {
    for await (const chunk of isWebRequest(request) ? webBytes(request) : nodeBytes(request)) {
      bytes += chunk.byteLength;
      checkSize(bytes);
      text += decoder.decode(chunk, { stream: true });
    }
  } catch (error) {
    throw error instanceof JourneyDbError ? error : invalid("a body that can be read, once");
  }
  try {
    return JSON.parse(text + decoder.decode());
  } catch {
    throw invalid("JSON");
  }
}
