import { isStorable } from "../model/text.js";
import {
  attachedFile,
  convertPart,
  type Fields,
  isAiSdk4Part,
  isFilled,
  isNothing,
  isObject,
  isText,
  isTextOf,
  keep,
  type Left,
  type Part,
  toolPart,
} from "./ai-sdk-4-parts.js";
import { isStepStart } from "./parts.js";

const ROLES: ReadonlySet<unknown> = new Set(["system", "user", "assistant"]);
/** Roles that version 5 does not have. Version 4 did not send their messages to the model. */
const REMOVED_ROLES: ReadonlySet<unknown> = new Set(["data", "function", "tool"]);

/**
 * Whether `fromAiSdk4` converts the element. `AI_SDK_4_MESSAGE` in src/model/ai-sdk-4.ts is the same
 * condition in SQL. `content` with parts proves nothing: version 4 stored the text twice, and version 5
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
 * Converts a stored message of AI SDK 4 to the format of AI SDK 5 and later. Returns anything else
 * unchanged, as the same object. Never throws on JSON, and does not change its argument.
 *
 * It follows the AI SDK's guide for stored data: `content`, `reasoning` and `toolInvocations` become
 * parts if there are none, `experimental_attachments` become file parts, parts of version 4 become
 * parts of version 5, and a message with the role `data` becomes an assistant message with a
 * `data-custom` part. A tool call without a result stays incomplete. Parts of version 5 stay as they are.
 *
 * Nothing is dropped except what the parts repeat. `createdAt` and `annotations` move to `metadata`. Anything
 * else that has no place in version 5 moves to `metadata.aiSdk4`, or to `aiSdk4` of its part. A message
 * without a usable id gets one derived from its content, the same on each call.
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

/** A message with a role that is not sent to the model. */
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
  if (!isTextOf(parts, "reasoning", reasoning)) keep(left, "reasoning", reasoning);
  if (!isRepeated(parts, content)) keep(left, "content", content);
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

const reasoningOf = (reasoning: unknown): Part[] =>
  isText(reasoning) ? [{ type: "reasoning", text: reasoning }] : [];

const callsOf = (toolInvocations: unknown): Part[] =>
  Array.isArray(toolInvocations)
    ? toolInvocations.map((toolInvocation) => ({ type: "tool-invocation", toolInvocation }))
    : [];

/** The texts of a content. An array is that of a model message, which may contain more. */
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

/** Whether the parts have the texts of the content, and the content has nothing else. */
function isRepeated(parts: readonly Part[], content: unknown): boolean {
  if (!Array.isArray(content)) return isTextOf(parts, "text", content);
  const isOnlyText = (part: unknown) => isObject(part) && Object.keys(part).length === 2;
  return content.every(isOnlyText) && unlike(parts, content, textPart).length === 0;
}

/** The items that are not among the parts. */
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
 * Converts the parts of version 4 among `stored`. `others` cannot be parts of version 5.
 *
 * Version 5 separates the steps of an answer by `step-start`. If there is none, it is added where version 4
 * began a step: where the step number of a call changes, and at text or reasoning after a call.
 */
function convertParts(stored: readonly unknown[], isAnswer: boolean): { parts: Part[]; others: unknown[] } {
  const parts: Part[] = [];
  const others: unknown[] = [];
  const hasSteps = stored.some((part) => isObject(part) && isStepStart(part));
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

/** The metadata, with the other fields of the message. */
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

/** The same text for equal JSON, whatever the order of its keys. A loop, since JSON may be deeper than the stack. */
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

/** A 64-bit hash as 16 hexadecimal digits: two hashes in the manner of FNV-1a. */
function digest(text: string): string {
  let [one, two] = [0x811c9dc5, 0x01000193];
  for (let n = 0; n < text.length; n++) {
    const unit = text.charCodeAt(n);
    one = Math.imul(one ^ unit, 0x01000193);
    two = Math.imul(two ^ unit, 0x85ebca6b);
  }
  return [one, two].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
}
