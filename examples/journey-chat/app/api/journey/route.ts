import * as z from "zod";
import { toItem } from "@/lib/journey";
import { pageOf } from "@/lib/list";
import { phaseSchema } from "@/lib/schemas";
import { badRequest, withSessions } from "@/lib/with-sessions";

const querySchema = z.object({
  q: z.string().optional(),
  cursor: z.string().optional(),
  archived: z.stringbool().default(false),
  phase: phaseSchema.optional(),
});

/** The user's sessions, a page of a view; with `q`, those that contain the text. */
export const GET = withSessions(
  async (sessions, { nextUrl }) => {
    const { data: query } = querySchema.safeParse(Object.fromEntries(nextUrl.searchParams));
    if (!query) return badRequest();
    if (!query.q) return Response.json(await pageOf(sessions, query));
    const hits = await sessions.search(query.q);
    return Response.json({
      hits: hits.map(({ session, ...hit }) => ({ session: toItem(session), ...hit })),
    });
  },
  { endsWithRequest: true },
);
