import { resumeTurn, stopTurn } from "@aigos/journey-db/ai-sdk";
import { withSessions } from "@/lib/with-sessions";

type Params = { id: string };

/** The reply that is being produced, from its beginning to its end; 204 if there is none. */
export const GET = withSessions<Params>((sessions, request, { id }) => resumeTurn(sessions, id, request));

/** Stops the reply. What has arrived is stored. */
export const DELETE = withSessions<Params>(async (sessions, _request, { id }) =>
  Response.json(await stopTurn(sessions, id)),
);
