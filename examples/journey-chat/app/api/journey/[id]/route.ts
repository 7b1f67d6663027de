import { startTurn, titleOf } from "@aigos/journey-db/ai-sdk";
import { convertToModelMessages, stepCountIs, streamText } from "ai";
import { after } from "next/server";
import * as z from "zod";
import { PAGE, toMessages } from "@/lib/journey";
import { model, tools } from "@/lib/model";
import { metadataSchema, phaseSchema } from "@/lib/schemas";
import { badRequest, bodyOf, withSessions } from "@/lib/with-sessions";

type Params = { id: string };

/** Stores the user's message and streams the answer, which is stored even if the browser leaves. */
export const POST = withSessions<Params>(async (sessions, request, { id }) => {
  const turn = await startTurn(sessions, id, request, { durable: true, title: titleOf });
  const result = streamText({
    model,
    tools,
    stopWhen: stepCountIs(5),
    messages: await convertToModelMessages(turn.messages, { ignoreIncompleteToolCalls: true }),
    abortSignal: turn.signal,
    // Its message may contain what the user wrote.
    onError: ({ error }) => console.error("The model failed:", error instanceof Error ? error.name : "?"),
  });
  after(turn.stored);
  return result.toUIMessageStreamResponse(turn.response);
});

/** A page of the conversation: the newest messages, or those before `before`. */
export const GET = withSessions<Params>(
  async (sessions, { nextUrl }, { id }) => {
    const before = nextUrl.searchParams.get("before") ?? undefined;
    const { messages, hasMore, revision } = await sessions.messages(id, { limit: PAGE, before });
    return Response.json({ messages: toMessages(messages), hasMore, revision });
  },
  { endsWithRequest: true },
);

const changeSchema = z.union([
  metadataSchema.strict(),
  z.strictObject({ phase: phaseSchema, from: phaseSchema }),
  z.strictObject({ pinned: z.boolean() }),
  z.strictObject({ archived: z.boolean() }),
]);

/** Changes the title of the session or its phase, pins it, archives it, or takes that back. */
export const PATCH = withSessions<Params>(async (sessions, request, { id }) => {
  const change = await bodyOf(request, changeSchema);
  if (!change) return badRequest();
  if ("title" in change) await sessions.mergeMetadata(id, change);
  else if ("phase" in change) await sessions.setPhase(id, change.phase, { from: change.from });
  else await sessions.update(id, change);
  return Response.json({});
});

export const DELETE = withSessions<Params>(async (sessions, _request, { id }) => {
  if (await sessions.delete(id)) return new Response(null, { status: 204 });
  return Response.json({ code: "not_found" }, { status: 404 });
});
