import type { MessageShape } from "../messages.js";

/** A part of a message, with the fields that it has as a tool call. */
export type Part = MessageShape["parts"][number] & {
  toolCallId?: unknown;
  approval?: object;
  preliminary?: unknown;
  providerExecuted?: unknown;
};

/** Whether a step of the model begins here: its answer is one step, or one more after each round of tool calls. */
export const isStepStart = ({ type }: { type?: unknown }): boolean => type === "step-start";

/** Whether the part says anything: not the start of a step, a provider's own note or an empty text. */
export const isContent = (part: Part): boolean =>
  !isStepStart(part) && part.type !== "custom" && !("text" in part && part.text === "");

/** Whether the message has anything to show. */
export const hasContent = ({ parts }: Pick<MessageShape, "parts">): boolean => parts.some(isContent);

/** The state of a text or of a tool call. */
export const stateOf = (part: Part): unknown => ("state" in part ? part.state : undefined);

export const isCall = ({ type }: Part): boolean => type.startsWith("tool-") || type === "dynamic-tool";

const FINAL = new Set<unknown>(["output-available", "output-error", "output-denied"]);

/** Whether the tool call has its last result. */
export const isFinal = (part: Part): boolean => FINAL.has(stateOf(part)) && part.preliminary !== true;

/** Whether the tool call was approved or denied, and has no result yet. */
export const isDecided = (part: Part): boolean => stateOf(part) === "approval-responded";

/** What providers say of a part, each under its own name. OpenAI and similar ones recognize it by an `itemId`. */
type ProviderMetadata = Record<string, Record<string, unknown> | undefined>;

const METADATA = ["providerMetadata", "callProviderMetadata", "resultProviderMetadata"] as const;

const metadataOf = (part: Part): [(typeof METADATA)[number], ProviderMetadata][] =>
  METADATA.flatMap((name) => {
    const metadata = (part as Partial<Record<typeof name, ProviderMetadata | null>>)[name];
    return typeof metadata === "object" && metadata !== null ? [[name, metadata]] : [];
  });

export const hasItemId = (part: Part): boolean =>
  metadataOf(part).some(([, metadata]) => Object.values(metadata).some((said) => said?.itemId !== undefined));

/** The part as if its provider had never seen it. Encrypted reasoning is accepted only with its id, so it goes too. */
export function withoutItemId<Of extends Part>(part: Of): Of {
  const cleaned = metadataOf(part).map(([name, metadata]) => {
    const providers = Object.entries(metadata).map(([provider, said]) => {
      const { itemId: _, reasoningEncryptedContent: __, ...rest } = said ?? {};
      return [provider, rest];
    });
    return [name, Object.fromEntries(providers)];
  });
  return { ...part, ...Object.fromEntries(cleaned) };
}
