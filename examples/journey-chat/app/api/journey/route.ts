import { toItem } from "@/lib/journey";
import { withSessions } from "@/lib/with-sessions";

/** The user's sessions, newest first; with `q`, those that contain the text. */
export const GET = withSessions(
  async (sessions, { nextUrl: { searchParams } }) => {
    const text = searchParams.get("q");
    if (text) {
      const hits = await sessions.search(text);
      return Response.json({
        hits: hits.map(({ session, ...hit }) => ({ session: toItem(session), ...hit })),
      });
    }
    const page = await sessions.list({ cursor: searchParams.get("cursor") ?? undefined });
    return Response.json({ ...page, sessions: page.sessions.map(toItem) });
  },
  { endsWithRequest: true },
);
