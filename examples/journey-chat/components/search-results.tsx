"use client";
import Link from "next/link";
import { useEffect, useState } from "react";
import { ask, type Hit, SESSIONS } from "@/lib/api";
import styles from "./search-results.module.css";
import listStyles from "./session-list.module.css";

/** The sessions that contain the text, each with an excerpt. */
export function SearchResults({ text, onOpen }: { text: string; onOpen: () => void }) {
  const [hits, setHits] = useState<Hit[]>();
  const [failed, setFailed] = useState(false);

  // The last results stay until there are new ones. An outdated request is aborted.
  useEffect(() => {
    const request = new AbortController();
    ask<{ hits: Hit[] }>(`${SESSIONS}?q=${encodeURIComponent(text)}`, { signal: request.signal }).then(
      (found) => {
        setHits(found.hits);
        setFailed(false);
      },
      () => setFailed(!request.signal.aborted),
    );
    return () => request.abort();
  }, [text]);

  if (failed) {
    return (
      <p className={listStyles.empty} role="alert">
        The search failed.
      </p>
    );
  }
  if (!hits) return <div className={listStyles.skeleton} role="status" aria-label="Searching" />;
  if (hits.length === 0) {
    return (
      <p className={listStyles.empty}>
        Nothing found
        <span>Only what was written and answered is searched, not titles.</span>
      </p>
    );
  }
  return (
    // biome-ignore lint/a11y/noRedundantRoles: Safari takes a list without bullets for none
    <ul role="list" aria-label="Search results" className={listStyles.list}>
      {hits.map(({ session, messageId, excerpt }) => (
        <li key={session.id} className={styles.hit}>
          <Link
            href={`/journey/${session.id}?message=${encodeURIComponent(messageId)}`}
            prefetch={false}
            onClick={onOpen}
          >
            <span className={styles.title}>{session.title}</span>
            <span className={styles.excerpt}>
              {excerpt.before}
              <mark>{excerpt.match}</mark>
              {excerpt.after}
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
