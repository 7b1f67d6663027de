"use client";
import { createContext, useContext } from "react";
import useSWRInfinite from "swr/infinite";
import { ask, SESSIONS, type SessionsPage } from "@/lib/api";

/** The list as the server rendered it. */
export const FirstPageContext = createContext<SessionsPage | undefined>(undefined);

function keyOf(index: number, before: SessionsPage | null): string | null {
  if (index === 0) return SESSIONS;
  return before?.nextCursor ? `${SESSIONS}?cursor=${encodeURIComponent(before.nextCursor)}` : null;
}

/** The user's loaded sessions, newest first. All components share one list. */
export function useSessions() {
  const firstPage = useContext(FirstPageContext);
  const { data, size, setSize, mutate, isValidating, error } = useSWRInfinite<SessionsPage>(keyOf, ask, {
    ...(firstPage && { fallbackData: [firstPage] }),
    revalidateOnMount: false,
  });
  const pages = data ?? [];
  return {
    // A new session moves others to the next page, so one may be on two pages.
    sessions: [...new Map(pages.flatMap((page) => page.sessions).map((one) => [one.id, one])).values()],
    hasMore: pages.at(-1)?.nextCursor !== undefined,
    isLoadingMore: isValidating && size > pages.length,
    failed: error !== undefined,
    loadMore: () => setSize(pages.length + 1),
    refresh: () => mutate(),
  };
}
