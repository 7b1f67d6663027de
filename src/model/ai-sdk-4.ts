/** True unless `condition` is true, also if it is unknown: in strict mode a missing key is an error. */
const not = (condition: string) => `(!(${condition}) || (${condition}) is unknown)`;
const any = (...conditions: string[]) => `(${conditions.join(" || ")})`;
const isOneOf = (key: string, ...texts: string[]) => any(...texts.map((text) => `@.${key} == "${text}"`));
const isType = (key: string, type: string) => `@.${key}.type() == "${type}"`;
const isFilled = (key: string) => `exists(@.${key}[*])`;

const PART = any(
  `@.type == "tool-invocation" && exists(@.toolInvocation)`,
  `@.type == "source" && exists(@.source)`,
  `@.type == "reasoning" && ${not(isType("text", "string"))} && ${any(isType("reasoning", "string"), isType("details", "array"))}`,
  `@.type == "file" && ${not(isType("url", "string"))} && ${any(isType("mimeType", "string"), isType("data", "string"))}`,
);

const MESSAGE = any(
  `${isOneOf("role", "data", "function", "tool")} && ${any("exists(@.content)", "exists(@.data)")}`,
  `${isOneOf("role", "system", "user", "assistant")} && ${any(
    isFilled("toolInvocations"),
    isFilled("experimental_attachments"),
    `${isType("reasoning", "string")} && @.reasoning != ""`,
    `exists(@.parts[*] ? (${PART}))`,
    `${not(isFilled("parts"))} && ${any(isType("content", "string"), isType("content", "array"))}`,
  )}`,
);

/**
 * SQL/JSON paths that match messages of AI SDK 4: in a conversation, and as a single element. The same
 * condition as `isAiSdk4` in src/ai-sdk/from-ai-sdk-4.ts. Strict, because a lax path would unwrap
 * arrays; so evaluate it with `silent`.
 */
export const AI_SDK_4_MESSAGES = `strict $[*] ? (${MESSAGE})`;
export const AI_SDK_4_MESSAGE = `strict $ ? (${MESSAGE})`;
