"use client";
import { createContext, useContext } from "react";
import useSWRInfinite from "swr/infinite";
import { ask, listPath, SESSIONS, type SessionsPage, type View } from "@/lib/api";

/** What the list shows at first: the sessions in all phases that are not archived. */
export const CHATS: View = { archived: false };

interface ListState {
  /** Of CHATS, as the server rendered it. */
  firstPage: SessionsPage;
  view: View;
  setView(view: View): void;
}

export const ListContext = createContext<ListState | undefined>(undefined);

const isChats = (view: View) => listPath(view) === SESSIONS;

function usePages(view: View, firstPage: SessionsPage) {
  const keyOf = (index: number, before: SessionsPage | null) =>
    index === 0 || before?.nextCursor ? listPath(view, before?.nextCursor) : null;
  return useSWRInfinite<SessionsPage>(
    keyOf,
    ask,
    isChats(view)
      ? { fallbackData: [firstPage], revalidateOnMount: false }
      : // Pages that were loaded when the view was last shown may be stale.
        { revalidateAll: true, dedupingInterval: 0 },
  );
}

/** The user's loaded sessions. All components share one list. */
export function useSessions() {
  const list = useContext(ListContext);
  if (!list) throw new Error("useSessions: expected a ListContext above");
  const { firstPage, view, setView } = list;
  const chats = usePages(CHATS, firstPage);
  const shown = usePages(view, firstPage);
  const pages = shown.data ?? [];
  return {
    view,
    setView,
    // A new session moves others to the next page, so one may be on two pages.
    sessions: [...new Map(pages.flatMap((page) => page.sessions).map((one) => [one.id, one])).values()],
    /** A session that is loaded, also while another view is shown. */
    find: (id: string) =>
      [...pages, ...(chats.data ?? [])].flatMap((page) => page.sessions).find((one) => one.id === id),
    hasMore: pages.at(-1)?.nextCursor !== undefined,
    isLoading: shown.error === undefined && shown.size > pages.length,
    failed: shown.error !== undefined,
    loadMore: () => shown.setSize(pages.length + 1),
    refresh: () => Promise.all([chats.mutate(), !isChats(view) && shown.mutate()]),
  };
}
