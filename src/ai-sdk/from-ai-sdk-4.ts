import { isStorable } from "../ids.js";

type Fields = Readonly<Record<string, unknown>>;
interface Part extends Fields {
  type: string;
}
/** Fields that version 5 has no place for. */
type Left = Record<string, unknown>;

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isFilled = (value: unknown): value is readonly unknown[] => Array.isArray(value) && value.length > 0;
const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
/** Whether a field of version 4 says nothing. */
const isNothing = (value: unknown): boolean =>
  value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);

const ROLES: ReadonlySet<unknown> = new Set(["system", "user", "assistant"]);
/** Roles that version 5 does not have. Version 4 did not send these messages to the model. */
const REMOVED_ROLES: ReadonlySet<unknown> = new Set(["data", "function", "tool"]);

function isAiSdk4Part(part: unknown): part is Part {
  if (!isObject(part)) return false;
  switch (part.type) {
    // Without that key it is a part of version 5: a call of a tool named "invocation".
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

/**
 * Whether `fromAiSdk4` converts the element. `AI_SDK_4_MESSAGE` in src/ai-sdk-4.ts is the same
 * condition in SQL. `content` beside parts is no sign: version 4 stored the text twice, and version 5
 * reads the parts.
 */
export function isAiSdk4(stored: unknown): stored is Fields {
  if (!isObject(stored)) return false;
  if (REMOVED_ROLES.has(stored.role)) return "content" in stored || "data" in stored;
  if (!ROLES.has(stored.role)) return false;
  return (
    isFilled(stored.toolInvocations) ||
    isFilled(stored.experimental_attachments) ||
    isText(stored.reasoning) ||
    (isFilled(stored.parts)
      ? stored.parts.some(isAiSdk4Part)
      : typeof stored.content === "string" || Array.isArray(stored.content))
  );
}

/**
 * Converts a stored message of AI SDK 4 to the form that the AI SDK has read since version 5. Returns
 * anything else as it is, the same object. Never throws on JSON, and changes nothing of what it is given.
 *
 * It follows the AI SDK's guide for stored data: `content`, `reasoning` and `toolInvocations` become
 * parts where there are none, `experimental_attachments` become file parts, parts of version 4 become
 * parts of version 5, and a message with the role `data` becomes an assistant's with a `data-custom`
 * part. A tool call without a result stays incomplete. Parts of version 5 stay as they are.
 *
 * Nothing is dropped except what the parts repeat. `createdAt` and `annotations` move to `metadata`,
 * and all else that version 5 has no place for to `metadata.aiSdk4`, or to `aiSdk4` of its part. A
 * message without a usable id gets one derived from its content, which is the same on each call.
 *
 * @example const messages = session.messages.map((message) => fromAiSdk4(message)).filter(isMessage);
 */
export function fromAiSdk4<Stored>(stored: Stored): Stored;
export function fromAiSdk4(stored: unknown): unknown {
  if (!isAiSdk4(stored)) return stored;
  const { id, role, metadata, createdAt, annotations, ...fields } = stored;
  const isRemoved = REMOVED_ROLES.has(role);
  const { parts, left } = isRemoved ? hidden(fields) : shown(fields, role === "assistant");
  const isUsable = isText(id) && id.length <= 256 && isStorable(id);
  if (isRemoved) left.role = role;
  if (!isUsable && id !== undefined) left.id = id;
  const kept = withLeft(metadata, { createdAt, annotations }, left);
  return {
    id: isUsable ? id : `ai-sdk-4-${digest(exactText(stored))}`,
    role: isRemoved ? "assistant" : role,
    ...(kept !== undefined && { metadata: kept }),
    parts,
  };
}

interface Converted {
  parts: Part[];
  left: Left;
}

/** A message of a role that the model is not sent. */
function hidden({ data, content, parts: stored, ...rest }: Fields): Converted {
  const left: Left = { ...rest };
  const { parts, others } = convertParts(isFilled(stored) ? stored : [], false);
  keep(left, "parts", isFilled(stored) ? others : stored);
  const isContent = isNothing(data);
  if (!isContent) keep(left, "content", content);
  return { parts: [...parts, { type: "data-custom", data: isContent ? (content ?? null) : data }], left };
}

function shown(
  { parts: stored, content, reasoning, toolInvocations, experimental_attachments, data, ...rest }: Fields,
  isAnswer: boolean,
): Converted {
  const left: Left = { ...rest };
  keep(left, "data", data);
  const hasParts = isFilled(stored);
  const { parts, others } = convertParts(
    hasParts ? stored : [...reasoningOf(reasoning), ...callsOf(toolInvocations), ...textsOf(content)],
    isAnswer,
  );
  keep(left, "parts", hasParts ? others : stored);
  const isCalls = Array.isArray(toolInvocations);
  const notInParts = isCalls ? unlike(parts, toolInvocations, toolPart) : toolInvocations;
  keep(left, "toolInvocations", notInParts);
  if (parts.length === 0) parts.push(...textsOf(content));
  if (!repeats(parts, "reasoning", reasoning)) keep(left, "reasoning", reasoning);
  if (!repeats(parts, "text", content)) keep(left, "content", content);
  if (!isFilled(experimental_attachments)) {
    keep(left, "experimental_attachments", experimental_attachments);
  } else {
    const attachments = unlike(parts, experimental_attachments, attachedFile);
    const files = attachments.map(attachedFile);
    const unreadable = attachments.filter((_, n) => files[n] === null);
    keep(left, "experimental_attachments", unreadable);
    parts.push(...files.filter((file) => file !== null));
  }
  if (parts.length === 0) parts.push({ type: "text", text: "" });
  return { parts, left };
}

function keep(left: Left, key: string, value: unknown): void {
  if (!isNothing(value)) left[key] = value;
}

const reasoningOf = (reasoning: unknown): Part[] =>
  isText(reasoning) ? [{ type: "reasoning", text: reasoning }] : [];

const callsOf = (toolInvocations: unknown): Part[] =>
  Array.isArray(toolInvocations)
    ? toolInvocations.map((toolInvocation) => ({ type: "tool-invocation", toolInvocation }))
    : [];

/** The texts of a content. A list is that of a model message, which may hold more. */
const textsOf = (content: unknown): Part[] =>
  isText(content)
    ? [{ type: "text", text: content }]
    : Array.isArray(content)
      ? content.map(textPart).filter((part) => part !== null)
      : [];

const textPart = (part: unknown): Part | null =>
  isObject(part) && part.type === "text" && typeof part.text === "string"
    ? { type: "text", text: part.text }
    : null;

/** Whether the parts of that type say what the message said beside them. */
function repeats(parts: readonly Part[], type: string, beside: unknown): boolean {
  const texts = parts.flatMap((part) => (part.type === type ? [part.text] : []));
  if (typeof beside === "string") return texts.includes(beside) || texts.join("") === beside;
  const isOnlyText = (part: unknown) => isObject(part) && Object.keys(part).length === 2;
  return Array.isArray(beside) && beside.every(isOnlyText) && unlike(parts, beside, textPart).length === 0;
}

/** The items that are none of the parts. */
function unlike(
  parts: readonly Part[],
  items: readonly unknown[],
  convert: (item: unknown) => Part | null,
): unknown[] {
  const known = new Set(parts.map(exactText));
  return items.filter((item) => {
    const part = convert(item);
    return part === null || !known.has(exactText(part));
  });
}

/**
 * Converts the parts of version 4 in a list. `others` cannot be parts of version 5.
 *
 * Version 5 tells the steps of an answer apart by their `step-start`. Where a list has none, they go
 * where version 4 began a step by itself: where the number of a call's step changes, and at what is
 * said after a call.
 */
function convertParts(stored: readonly unknown[], isAnswer: boolean): { parts: Part[]; others: unknown[] } {
  const parts: Part[] = [];
  const others: unknown[] = [];
  const hasSteps = stored.some((part) => isObject(part) && part.type === "step-start");
  let step: unknown;
  const begin = (next: unknown) => {
    if (isAnswer && !hasSteps && step !== undefined && step !== next) parts.push({ type: "step-start" });
    step = next;
  };
  for (const part of stored) {
    if (!isObject(part) || !isText(part.type)) {
      others.push(part);
      continue;
    }
    const converted = isAiSdk4Part(part) ? convertPart(part) : [part as Part];
    if (converted.length === 0) others.push(part);
    else if (part.type === "text" || part.type === "reasoning") begin(undefined);
    else if (isAiSdk4Part(part) && part.type === "tool-invocation")
      begin((part.toolInvocation as Fields).step ?? 0);
    parts.push(...converted);
  }
  return { parts, others };
}

/** @returns none where the part is not as version 4 made it */
function convertPart({ type, ...fields }: Part): Part[] {
  if (type === "reasoning") return reasoningParts(fields);
  const part = type === "file" ? filePart(fields) : type === "source" ? sourcePart(fields) : callPart(fields);
  return part === null ? [] : [part];
}

/** The part, with what it has no place for. */
const withRest = (part: Part, rest: Fields): Part =>
  Object.keys(rest).length > 0 ? { ...part, aiSdk4: rest } : part;

/** What is left of a part and of the object in it. */
function leftOf(outer: Fields, key: string, inner: Fields): Fields {
  const isClear = !Object.keys(outer).some((name) => Object.hasOwn(inner, name));
  return isClear ? { ...outer, ...inner } : { ...outer, [key]: inner };
}

const callPart = ({ toolInvocation, ...rest }: Fields): Part | null => toolPart(toolInvocation, rest);

function toolPart(invocation: unknown, beside: Fields = {}): Part | null {
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

/** One part for each detail: version 4 sent each with its own signature. */
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
  if (!repeats(parts, "reasoning", reasoning)) {
    if (isText(reasoning) && parts.every(({ text }) => text === ""))
      parts.unshift({ type: "reasoning", text: reasoning });
    else keep(left, "reasoning", reasoning);
  }
  const [first = { type: "reasoning", text: "" }, ...following] = parts;
  return [withRest(first, { ...(first.aiSdk4 as Left | undefined), ...left }), ...following];
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
/** Where there is none, that of bytes of any kind. */
const mediaTypeOf = (given: unknown, url: string): string =>
  isText(given) ? given : (/^data:([^;,]+)/i.exec(url)?.[1] ?? "application/octet-stream");
/**
 * Whether every version reads the URL, as version 4 did. Each turn would fail at what is no URL, at the
 * data of a URL that are no base64, and at a URL of something that was in a page.
 */
function isReadable(url: string): boolean {
  const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme !== "data") return scheme !== "blob" && URL.canParse(url);
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
  const given = isText(mimeType) ? mimeType : mediaType;
  const url = HAS_SCHEME.test(data) ? data : `data:${mediaTypeOf(given, "")};base64,${data}`;
  if (!isReadable(url)) return null;
  const left: Left = { ...rest };
  if (mimeType !== given) keep(left, "mimeType", mimeType);
  if (mediaType !== given) keep(left, "mediaType", mediaType);
  return namedFile(mediaTypeOf(given, url), filename, url, left, "filename");
}

function attachedFile(attachment: unknown): Part | null {
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

/** The metadata, with what the message had beside it. */
function withLeft(metadata: unknown, known: Fields, left: Left): unknown {
  const added: Left = {};
  const before = isObject(metadata) ? metadata : {};
  for (const [key, value] of Object.entries(known)) {
    if (!Object.hasOwn(before, key)) keep(added, key, value);
    else if (exactText(before[key]) !== exactText(value)) keep(left, key, value);
  }
  if (Object.keys(added).length + Object.keys(left).length === 0) return metadata;
  if (!isObject(metadata)) keep(left, "metadata", metadata);
  else if (Object.keys(left).length > 0 && Object.hasOwn(metadata, "aiSdk4"))
    left.metadata = { aiSdk4: metadata.aiSdk4 };
  return { ...before, ...added, ...(Object.keys(left).length > 0 && { aiSdk4: left }) };
}

/** The same text for equal JSON, whatever the order of its keys. By a loop: JSON may be deeper than the stack. */
function exactText(value: unknown): string {
  const tokens: string[] = [];
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const item = waiting.pop();
    if (Array.isArray(item)) {
      tokens.push(`[${item.length}`);
      for (let n = item.length - 1; n >= 0; n--) waiting.push(item[n]);
    } else if (isObject(item)) {
      const keys = Object.keys(item).sort().reverse();
      tokens.push(`{${keys.length}`);
      for (const key of keys) waiting.push(item[key], key);
    } else tokens.push(typeof item === "string" ? JSON.stringify(item) : String(item));
  }
  return tokens.join(",");
}

/** 64 bits of a text as 16 hexadecimal digits: two hashes as FNV-1a makes them. */
function digest(text: string): string {
  let [one, two] = [0x811c9dc5, 0x01000193];
  for (let n = 0; n < text.length; n++) {
    const unit = text.charCodeAt(n);
    one = Math.imul(one ^ unit, 0x01000193);
    two = Math.imul(two ^ unit, 0x85ebca6b);
  }
  return [one, two].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
}
