"use client";
import type { JourneyMessage } from "@aigos/journey-db/messages";
import type { SessionItem } from "@/lib/journey";
import { textOf } from "@/lib/text";
import styles from "./review-panel.module.css";
import { Time } from "./time";

/** The second column of the phase 'review': an overview, and a link to each question. */
export function ReviewPanel({ session, messages }: { session: SessionItem; messages: JourneyMessage[] }) {
  const questions = messages.filter(({ role }) => role === "user");
  return (
    <aside aria-label="Review" className={styles.panel}>
      <details open>
        <summary>Review</summary>
        <dl>
          <dt>Title</dt>
          <dd>{session.title}</dd>
          <dt>Begun</dt>
          <dd>
            <Time at={session.createdAt} />
          </dd>
          <dt>Messages</dt>
          <dd>{messages.length}</dd>
        </dl>
        <h2>Questions</h2>
        <ol>
          {questions.map((message) => (
            <li key={message.id}>
              <a href={`#message-${encodeURIComponent(message.id)}`}>{textOf(message)}</a>
            </li>
          ))}
        </ol>
      </details>
    </aside>
  );
}
