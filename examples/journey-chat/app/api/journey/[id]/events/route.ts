import { watchResponse } from "@aigos/journey-db/ai-sdk";
import { withSessions } from "@/lib/with-sessions";

/** Server-sent events: the session's revision and its running reply, now and after each change. */
export const GET = withSessions<{ id: string }>((sessions, request, { id }) =>
  watchResponse(sessions, id, request),
);
