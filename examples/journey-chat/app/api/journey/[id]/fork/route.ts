import * as z from "zod";
import { badRequest, withSessions } from "@/lib/with-sessions";

const forkSchema = z.strictObject({ through: z.string() });

/** Copies the conversation up to a message into a new session. */
export const POST = withSessions<{ id: string }>(async (sessions, request, { id }) => {
  const { data } = forkSchema.safeParse(await request.json().catch(() => undefined));
  if (!data) return badRequest();
  const fork = await sessions.fork(id, data);
  return Response.json({ id: fork.id }, { status: 201 });
});
