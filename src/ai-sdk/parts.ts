import type { MessageShape } from "../messages.js";

type Part = MessageShape["parts"][number];

/** What a provider says of a part, under its own name. OpenAI, and those like it, give each an `itemId`, by which they know it. */
type ProviderMetadata = Record<string, Record<string, unknown> | undefined>;

const METADATA = ["providerMetadata", "callProviderMetadata", "resultProviderMetadata"] as const;

const metadataOf = (part: Part): [(typeof METADATA)[number], ProviderMetadata][] =>
  METADATA.flatMap((name) => {
    const metadata = (part as Partial<Record<typeof name, ProviderMetadata | null>>)[name];
    return typeof metadata === "object" && metadata !== null ? [[name, metadata]] : [];
  });

export const hasItemId = (part: Part): boolean =>
  metadataOf(part).some(([, metadata]) => Object.values(metadata).some((said) => said?.itemId !== undefined));

/** The part as if its provider had never seen it. Encrypted reasoning goes with the id, under which alone it is taken. */
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
