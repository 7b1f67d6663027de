import { readFileSync } from "node:fs";
import fc from "fast-check";

// biome-ignore lint/suspicious/noExplicitAny: the versions' types are not assignable to one another, and what is tested here is what runs
type Any = any;

const fixture: { contentAlone: Any[]; parts42: Any[] } = JSON.parse(
  readFileSync(new URL("../fixtures/ai4-messages.json", import.meta.url), "utf8"),
);
/** As AI SDK 4.0 and 4.1 stored them: by content. */
export const contentAlone = fixture.contentAlone;
/** As AI SDK 4.2 and 4.3 stored them: with parts. The first has nothing that later versions read in another way. */
export const withParts = fixture.parts42;
/** Those of both that need a conversion. */
export const older = [...contentAlone, ...withParts.slice(1)];

/** Any JSON, as PostgreSQL may hold it. */
const json = fc.jsonValue({ maxDepth: 3 });
const text = fc.string({ maxLength: 8 });
const often = <T>(usual: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 4, arbitrary: usual as fc.Arbitrary<unknown> }, json);
const some = (fields: Record<string, fc.Arbitrary<unknown>>) => fc.record(fields, { requiredKeys: [] });

const toolInvocation = some({
  state: often(fc.constantFrom("partial-call", "call", "result")),
  step: often(fc.nat(3)),
  toolCallId: often(text),
  toolName: often(fc.constantFrom("tides", "invocation", "", "a-b")),
  args: json,
  result: json,
  extra: json,
});
const url = fc.oneof(
  fc.constantFrom(
    "data:image/png;base64,iVBORw0KGgo=",
    "data:",
    "data:image/png",
    "data:,x",
    "blob:http://a/b",
    "/a.png",
    "",
  ),
  fc.webUrl(),
  text,
);
const detail = some({
  type: often(fc.constantFrom("text", "redacted")),
  text: often(text),
  signature: often(text),
  data: often(text),
});
const partOf = (type: string, fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc
    .tuple(fc.constant({ type }), some({ ...fields, note: json }))
    .map(([one, more]) => ({ ...more, ...one }));

/** Parts of AI SDK 4, whole and damaged. */
const olderPart = fc.oneof(
  partOf("tool-invocation", { toolInvocation: often(toolInvocation) }).filter(
    (part) => "toolInvocation" in part,
  ),
  partOf("source", {
    source: often(
      some({
        sourceType: often(fc.constant("url")),
        id: often(text),
        url: often(url),
        title: often(text),
        providerMetadata: often(fc.constant({ google: { a: 1 } })),
      }),
    ),
  }).filter((part) => "source" in part),
  fc
    .tuple(text, partOf("reasoning", { details: often(fc.array(detail, { maxLength: 3 })) }))
    .map(([reasoning, part]) => ({ reasoning, ...part })),
  fc
    .tuple(text, partOf("file", { data: often(url), filename: often(text) }))
    .map(([mimeType, part]) => ({ mimeType, ...part })),
);
const newerPart = fc.oneof(
  fc.constant({ type: "step-start" }),
  text.map((said) => ({ type: "text", text: said })),
  text.map((said) => ({ type: "reasoning", text: said })),
);

/** Elements as AI SDK 4 stored them, whole and damaged, and parts of later versions between theirs. */
export const olderElement = some({
  id: often(text),
  role: often(fc.constantFrom("system", "user", "assistant", "data", "function", "tool")),
  content: often(fc.oneof(text, fc.array(newerPart, { maxLength: 2 }))),
  createdAt: often(fc.constant("2025-02-03T10:00:00.000Z")),
  reasoning: often(text),
  data: json,
  annotations: often(fc.array(json, { maxLength: 2 })),
  toolInvocations: often(fc.array(often(toolInvocation), { maxLength: 3 })),
  experimental_attachments: often(
    fc.array(often(some({ name: often(text), contentType: often(text), url: often(url) })), { maxLength: 3 }),
  ),
  metadata: often(some({ createdAt: json, aiSdk4: json, seen: json })),
  parts: often(fc.array(fc.oneof(olderPart, newerPart), { maxLength: 4 })),
  function_call: json,
  revisionId: text,
});

/** Any JSON, often an element of AI SDK 4 or something like it. */
export const anyElement = fc.oneof(olderElement, json);
