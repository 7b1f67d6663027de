import type { MessageShape } from "../messages.js";
import { isCall, type Part } from "./parts.js";

type Fields = Record<string, unknown>;

/** The fields of these names that the part has. */
const pick = (part: Fields, names: Record<string, string> | readonly string[]): Fields => {
  const entries = Array.isArray(names) ? names.map((name) => [name, name]) : Object.entries(names);
  return Object.fromEntries(
    entries.flatMap(([to, from]) => (part[from] === undefined ? [] : [[to, part[from]]])),
  );
};

const CALL = ["toolCallId", "providerExecuted", "title"];

/** The chunks of a tool call as far as it has come. That it waits for an answer is not among them: it has one. */
function callChunks(part: Fields): Fields[] {
  const type = String(part.type);
  const isDynamic = type === "dynamic-tool";
  const dynamic = isDynamic && { dynamic: true };
  const call = {
    ...pick(part, CALL),
    toolName: isDynamic ? part.toolName : type.slice("tool-".length),
    ...dynamic,
  };
  const input = {
    ...call,
    type: "tool-input-available",
    input: part.input,
    ...pick(part, { providerMetadata: "callProviderMetadata" }),
  };
  const of = pick(part, ["toolCallId", "providerExecuted"]);
  if (part.state === "output-available")
    return [
      input,
      {
        type: "tool-output-available",
        ...of,
        output: part.output,
        ...pick(part, ["preliminary"]),
        ...dynamic,
      },
    ];
  if (part.state === "output-error")
    return [input, { type: "tool-output-error", ...of, errorText: part.errorText ?? "", ...dynamic }];
  if (part.state === "output-denied")
    return [input, { type: "tool-output-denied", toolCallId: part.toolCallId }];
  return [input];
}

/** The chunks of the AI SDK's UI message stream that make a part of a stored message, for a page that has nothing of it. */
export function partChunks(given: MessageShape["parts"][number], n: number): Fields[] {
  const part = given as unknown as Fields;
  const type = String(part.type);
  const provider = pick(part, ["providerMetadata"]);
  // A reasoning part has that of its chunks. Of the parts that the reply adds none has the other.
  const id = part.id ?? `stored-${n}`;
  if (type === "step-start") return [{ type: "start-step" }];
  if (type === "text" || type === "reasoning")
    return [
      { type: `${type}-start`, id, ...provider },
      { type: `${type}-delta`, id, delta: part.text },
      { type: `${type}-end`, id, ...provider },
    ];
  if (isCall(given as Part)) return callChunks(part);
  if (type === "source-url") return [pick(part, ["type", "sourceId", "url", "title", "providerMetadata"])];
  if (type === "source-document")
    return [pick(part, ["type", "sourceId", "mediaType", "title", "filename", "providerMetadata"])];
  if (type === "file") return [pick(part, ["type", "url", "mediaType", "providerMetadata"])];
  if (type.startsWith("data-")) return [pick(part, ["type", "id", "data"])];
  return [];
}
