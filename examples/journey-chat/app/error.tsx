"use client";
import buttons from "@/components/button.module.css";
import styles from "./plain-page.module.css";

/** What stands in for a page whose chat cannot be read: the database does not answer, or an older program left it damaged. */
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
