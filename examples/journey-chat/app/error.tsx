"use client";
import buttons from "@/components/button.module.css";
import styles from "./plain-page.module.css";

/** Shown instead of a page whose chat cannot be read: the database is unavailable, or the row is malformed. */
export default function ErrorPage({ retry }: { retry: () => void }) {
  return (
    <main className={styles.page}>
      <title>This cannot be shown – Journey</title>
      <h1>This cannot be shown</h1>
      <p role="alert">The chats cannot be reached at the moment, or this one is damaged.</p>
      <button type="button" className={buttons.button} onClick={retry}>
        Try again
      </button>
    </main>
  );
}
