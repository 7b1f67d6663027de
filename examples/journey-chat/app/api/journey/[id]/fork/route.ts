import * as z from "zod";
import { badRequest, bodyOf, withSessions } from "@/lib/with-sessions";

const forkSchema = z.strictObject({ through: z.string() });

/** Copies the conversation up to a message into a new session, which is neither pinned nor archived. */
export const POST = withSessions<{ id: string }>(async (sessions, request, { id }) => {
  const options = await bodyOf(request, forkSchema);
  if (!options) return badRequest();
  const fork = await sessions.fork(id, { ...options, set: { pinned: false, archived: false } });
  return Response.json({ id: fork.id }, { status: 201 });
});
