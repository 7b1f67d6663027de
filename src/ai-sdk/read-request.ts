import * as z from "zod";
import { type MessageShape, messageIdSchema, messageSchema, structureOf } from "../messages.js";
import { JourneyDbError } from "../model/errors.js";
import { plainObjectSchema } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { bodyOf, type NodeRequest } from "./request-body.js";
import { MAX_KNOWN, type TurnRequest } from "./turn-request.js";

const answersSchema = plainObjectSchema
  .refine((given) => Object.keys(given).length <= MAX_KNOWN, {
    params: { expected: `at most ${MAX_KNOWN} keys` },
  })
  .pipe(z.record(z.string(), z.array(z.string().max(256)).max(MAX_KNOWN)));
/** Neither schema copies unknown fields, however large they are. */
const turnSchema = z.object({
  message: z.object({ role: z.enum(["user", "assistant"]), metadata: plainObjectSchema.optional() }),
  after: messageIdSchema.nullable(),
  known: z.array(messageIdSchema).max(MAX_KNOWN).optional(),
  isOpen: z.boolean().optional(),
  isFirst: z.boolean().optional(),
  answers: answersSchema.optional(),
  tried: answersSchema.optional(),
  from: messageIdSchema.optional(),
  replaces: z.boolean().optional(),
  answerId: z.uuid().optional(),
});
/** Of the page's copy of an answer only the tool calls are read, in tool-answers.ts. */
const toolAnswersSchema = z.object({
  message: z.object({ id: messageIdSchema, parts: z.array(z.unknown()) }),
  from: z.undefined().optional(),
});
/** Without these fields this turn would fail, and every later one. */
const PARTS = new Map<unknown, z.ZodType>([
  ["text", z.object({ text: z.string() })],
  ["file", z.object({ mediaType: z.string().min(1), url: z.string().min(1) })],
]);
const KEYS = new Set([
  ...Object.keys(turnSchema.shape),
  ..."id role parts type text mediaType url metadata".split(" "),
]);

function checkQuestion(message: MessageShape): void {
  parse(messageSchema, structureOf(message), "request.message", KEYS);
  for (const [n, part] of message.parts.entries()) {
    const schema = PARTS.get(part.type);
    if (schema) parse(schema, part, `request.message.parts[${n}]`, KEYS);
  }
}

/**
 * Reads and checks a request that turnRequest made.
 *
 * @param maxBytes no more are read
 * @returns the turn, and the request's JSON as received
 * @throws JourneyDbError invalid_input, too_large
 */
export async function readRequest<Message extends MessageShape>(
  request: Request | NodeRequest,
  maxBytes: number,
): Promise<{ sent: TurnRequest<Message>; body: Record<string, unknown> }> {
  const body = await bodyOf(request, maxBytes);
  if (Array.isArray(body?.messages) && body.message === undefined)
    throw new JourneyDbError(
      "invalid_input",
      "request.message: expected object; give the transport `prepareSendMessagesRequest: turnRequest`",
    );
  parse(turnSchema, body, "request", KEYS);
  const sent = body as unknown as TurnRequest<Message>;
  if (sent.message.role === "user") checkQuestion(sent.message);
  else parse(toolAnswersSchema, body, "request", KEYS);
  return { sent, body };
}
