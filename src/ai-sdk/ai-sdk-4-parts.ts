export type Fields = Readonly<Record<string, unknown>>;
export interface Part extends Fields {
  type: string;
}
/** Fields that version 5 has no place for. */
export type Left = Record<string, unknown>;

export const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
export const isFilled = (value: unknown): value is readonly unknown[] =>
  Array.isArray(value) && value.length > 0;
export const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
/** Whether a field of version 4 is empty. */
export const isNothing = (value: unknown): boolean =>
  value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);

export function isAiSdk4Part(part: unknown): part is Part {
  if (!isObject(part)) return false;
  switch (part.type) {
    // Without that key it is a part of version 5, for a tool named "invocation".
    case "tool-invocation":
      return "toolInvocation" in part;
    case "source":
      return "source" in part;
    case "reasoning":
      return (
        typeof part.text !== "string" && (typeof part.reasoning === "string" || Array.isArray(part.details))
      );
    case "file":
      return (
        typeof part.url !== "string" && (typeof part.mimeType === "string" || typeof part.data === "string")
      );
    default:
      return false;
  }
}

/** Whether the parts of that type repeat the text: one of them, or all together. */
export function isTextOf(parts: readonly Part[], type: string, text: unknown): boolean {
  const texts = parts.flatMap((part) => (part.type === type ? [part.text] : []));
  return texts.includes(text) || texts.join("") === text;
}

/** Keeps a field of the original, unless it is empty. */
export function keep(left: Left, key: string, value: unknown): void {
  if (!isNothing(value)) left[key] = value;
}

/** @returns an empty array if the part is not one of version 4 */
export function convertPart({ type, ...fields }: Part): Part[] {
  if (type === "reasoning") return reasoningParts(fields);
  const part = type === "file" ? filePart(fields) : type === "source" ? sourcePart(fields) : callPart(fields);
  return part === null ? [] : [part];
}

/** The part, with the fields that have no place in it. */
const withRest = (part: Part, rest: Fields): Part =>
  Object.keys(rest).length > 0 ? { ...part, aiSdk4: rest } : part;

/** The remaining fields of a part and of an object in it; the object stays one if they share a key. */
function leftOf(outer: Fields, name: string, inner: Fields): Fields {
  if (!Object.keys(outer).some((key) => Object.hasOwn(inner, key))) return { ...outer, ...inner };
  return Object.hasOwn(outer, name) ? leftOf(outer, `${name}_`, inner) : { ...outer, [name]: inner };
}

const callPart = ({ toolInvocation, ...rest }: Fields): Part | null => toolPart(toolInvocation, rest);

export function toolPart(invocation: unknown, beside: Fields = {}): Part | null {
  if (!isObject(invocation)) return null;
  const { state, toolCallId, toolName, args, result, ...rest } = invocation;
  if (!isText(toolCallId) || !isText(toolName)) return null;
  const hasResult = state === "result" || "result" in invocation;
  const isPartial = !hasResult && state === "partial-call";
  const told = hasResult ? "result" : isPartial ? "partial-call" : "call";
  const left = leftOf(
    beside,
    "toolInvocation",
    state === undefined || state === told ? rest : { ...rest, state },
  );
  const call = { type: `tool-${toolName}`, toolCallId };
  if (isPartial)
    return withRest({ ...call, state: "input-streaming", ...(isNothing(args) ? {} : { input: args }) }, left);
  const input = args ?? {};
  if (!hasResult) return withRest({ ...call, state: "input-available", input }, left);
  return withRest({ ...call, state: "output-available", input, output: result ?? null }, left);
}

/** One part per detail: version 4 sent each with its own signature. */
function reasoningParts({ reasoning, details, ...rest }: Fields): Part[] {
  const parts: Part[] = [];
  const others: unknown[] = [];
  for (const detail of Array.isArray(details) ? details : []) {
    const part = detailPart(detail);
    if (part === null) others.push(detail);
    else parts.push(part);
  }
  const left: Left = { ...rest };
  keep(left, "details", Array.isArray(details) ? others : details);
  if (!isTextOf(parts, "reasoning", reasoning)) {
    if (isText(reasoning) && parts.every(({ text }) => text === ""))
      parts.unshift({ type: "reasoning", text: reasoning });
    else keep(left, "reasoning", reasoning);
  }
  const [first = { type: "reasoning", text: "" }, ...following] = parts;
  return [withRest(first, leftOf(left, "detail", (first.aiSdk4 ?? {}) as Fields)), ...following];
}

/** In AI SDK 4 only models of Anthropic signed or redacted their reasoning. */
function detailPart(detail: unknown): Part | null {
  if (!isObject(detail)) return null;
  const { type, ...fields } = detail;
  if (type === "text" && typeof fields.text === "string") {
    const { text, signature, ...rest } = fields;
    const isSigned = isText(signature);
    return withRest(
      { type: "reasoning", text, ...(isSigned && { providerMetadata: { anthropic: { signature } } }) },
      isSigned || isNothing(signature) ? rest : { ...rest, signature },
    );
  }
  if (type === "redacted" && typeof fields.data === "string") {
    const { data, ...rest } = fields;
    return withRest(
      { type: "reasoning", text: "", providerMetadata: { anthropic: { redactedData: data } } },
      rest,
    );
  }
  return null;
}

function sourcePart({ source, ...beside }: Fields): Part | null {
  if (!isObject(source)) return null;
  const { sourceType, id, url, title, providerMetadata, ...rest } = source;
  if (!isText(url) || !isText(id) || (sourceType !== undefined && sourceType !== "url")) return null;
  const left: Left = { ...rest };
  if (typeof title !== "string") keep(left, "title", title);
  const isOfProviders = isObject(providerMetadata) && Object.values(providerMetadata).every(isObject);
  if (!isOfProviders) keep(left, "providerMetadata", providerMetadata);
  return withRest(
    {
      type: "source-url",
      sourceId: id,
      url,
      ...(typeof title === "string" && { title }),
      ...(isOfProviders && { providerMetadata }),
    },
    leftOf(beside, "source", left),
  );
}

/** Base64 has no colon. */
const HAS_SCHEME = /^[a-z][a-z0-9+.-]*:/i;
/** By default that of arbitrary bytes. */
const mediaTypeOf = (named: unknown, url: string): string =>
  isText(named) ? named : (/^data:([^;,]+)/i.exec(url)?.[1] ?? "application/octet-stream");
/**
 * Whether every version reads the URL, as version 4 did. With any other each turn would fail: with a path,
 * data that are not base64, or the `blob:` URL of a page.
 */
function isReadable(url: string): boolean {
  const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme !== "data") return (scheme === "http" || scheme === "https") && URL.canParse(url);
  const comma = url.indexOf(",");
  return comma !== -1 && isBase64(url.slice(comma + 1));
}

function isBase64(text: string): boolean {
  const [, bytes, padding = ""] = /^([\w+/-]*)(={0,2})$/.exec(text.replaceAll(/\s+/g, "")) ?? [];
  if (bytes === undefined) return false;
  return padding === "" ? bytes.length % 4 !== 1 : (bytes.length + padding.length) % 4 === 0;
}

function filePart({ mimeType, mediaType, data, filename, ...rest }: Fields): Part | null {
  if (!isText(data)) return null;
  const named = isText(mimeType) ? mimeType : mediaType;
  const url = HAS_SCHEME.test(data) ? data : `data:${mediaTypeOf(named, "")};base64,${data}`;
  if (!isReadable(url)) return null;
  const left: Left = { ...rest };
  if (mimeType !== named) keep(left, "mimeType", mimeType);
  if (mediaType !== named) keep(left, "mediaType", mediaType);
  return namedFile(mediaTypeOf(named, url), filename, url, left, "filename");
}

export function attachedFile(attachment: unknown): Part | null {
  if (!isObject(attachment)) return null;
  const { name, contentType, url, ...rest } = attachment;
  if (!isText(url) || !isReadable(url)) return null;
  const left: Left = { ...rest };
  if (!isText(contentType)) keep(left, "contentType", contentType);
  return namedFile(mediaTypeOf(contentType, url), name, url, left, "name");
}

function namedFile(mediaType: string, name: unknown, url: string, left: Left, key: string): Part {
  if (typeof name !== "string") keep(left, key, name);
  return withRest(
    { type: "file", mediaType, ...(typeof name === "string" && { filename: name }), url },
    left,
  );
}
