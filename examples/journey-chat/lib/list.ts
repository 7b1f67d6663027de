import "server-only";
import type { SessionsPage, View } from "./api";
import { type Sessions, toItem } from "./journey";

/** What the cursor of a page of pinned sessions begins with. */
const PINNED = "pinned:";

/**
 * A page of the sessions in a view. Those that are not archived are two lists, one after the other: the pinned
 * sessions, then the others. Each is newest first, and has cursors of its own.
 */
export async function pageOf(
  sessions: Sessions,
  { archived, phase, cursor }: View & { cursor?: string | undefined },
): Promise<SessionsPage> {
  async function list(
    where: { archived: boolean; pinned?: boolean },
    cursor?: string,
  ): Promise<SessionsPage> {
    const page = await sessions.list({ where, phase, cursor });
    return { ...page, sessions: page.sessions.map(toItem) };
  }
  if (archived) return list({ archived }, cursor);
  if (cursor && !cursor.startsWith(PINNED)) return list({ archived, pinned: false }, cursor);

  const pinned = await list({ archived, pinned: true }, cursor?.slice(PINNED.length));
  if (pinned.nextCursor) return { ...pinned, nextCursor: PINNED + pinned.nextCursor };
  const others = await list({ archived, pinned: false });
  return { ...others, sessions: [...pinned.sessions, ...others.sessions] };
}
