import Link from "next/link";
import styles from "./plain-page.module.css";

/** The same for another user's session and for one that does not exist. */
export default function NotFound() {
  return (
    <main className={styles.page}>
      <title>Not found – Journey</title>
      <h1>Not found</h1>
      <p>There is nothing at this address.</p>
      <Link href="/journey">To your chats</Link>
    </main>
  );
}
