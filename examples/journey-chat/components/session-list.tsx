"use client";
import { usePathname } from "next/navigation";
import { type MouseEventHandler, useEffect, useRef, useState } from "react";
import type { View } from "@/lib/api";
import styles from "./session-list.module.css";
import { SessionRow } from "./session-row";
import { useSessions } from "./use-sessions";

/** The user's sessions. The next page loads when the end of the list is near. */
export function SessionList({ onOpen }: { onOpen: MouseEventHandler<HTMLAnchorElement> }) {
  const { view, sessions, hasMore, isLoading, failed, loadMore, refresh } = useSessions();
  const [problem, setProblem] = useState<string>();
  const pathname = usePathname();
  const end = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (!hasMore || isLoading || failed || !end.current) return;
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && loadMore(), {
      rootMargin: "200px",
    });
    observer.observe(end.current);
    return () => observer.disconnect();
  });

  return (
    <>
      {problem && (
        <p className={styles.empty} role="alert">
          {problem}
        </p>
      )}
      {sessions.length === 0 && !isLoading && !failed && <Nothing view={view} />}
      {/* biome-ignore lint/a11y/noRedundantRoles: Safari takes a list without bullets for none */}
      <ul role="list" className={styles.list}>
        {sessions.map((session) => (
          <SessionRow
            key={session.id}
            session={session}
            isCurrent={pathname === `/journey/${session.id}`}
            onOpen={onOpen}
            onProblem={setProblem}
          />
        ))}
      </ul>
      {isLoading && <div className={styles.skeleton} role="status" aria-label="Loading sessions" />}
      {failed && (
        <p className={styles.empty} role="alert">
          The list could not be loaded.
          <button type="button" onClick={refresh}>
            Try again
          </button>
        </p>
      )}
      <div ref={end} />
    </>
  );
}

function Nothing({ view: { archived, phase } }: { view: View }) {
  if (archived || phase)
    return <p className={styles.empty}>{archived ? "Nothing archived" : "None in this phase"}</p>;
  return (
    <p className={styles.empty}>
      No sessions yet
      <span>A chat appears here with its first message.</span>
    </p>
  );
}
