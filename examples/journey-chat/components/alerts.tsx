"use client";
import { errorCode } from "@aigos/journey-db/ai-sdk";
import Link from "next/link";
import { MOST_TEXT } from "@/lib/text";
import styles from "./alerts.module.css";
import type { ConversationState } from "./use-conversation";

const REASONS: Record<string, string> = {
  unavailable: "The chats cannot be reached at the moment.",
  timeout: "The chats cannot be reached at the moment.",
};

/** What failed, and what the user can do. */
export function Alerts({ conversation }: { conversation: ConversationState }) {
  const { refusal, error, isCut, lacksReply, dismiss, retry, carryDraft } = conversation;
  if (refusal === "conflict" || refusal === "invalid_input") {
    return (
      <div role="alert" className={styles.notice}>
        <p>
          {refusal === "conflict"
            ? "This conversation went on in another tab. Here is how it stands; nothing was sent."
            : `This message may be too long: ${MOST_TEXT.toLocaleString("en")} characters fit. Nothing was sent.`}
        </p>
        <button type="button" onClick={dismiss}>
          Dismiss
        </button>
      </div>
    );
  }
  if (refusal) {
    return (
      <div role="alert" className={styles.notice}>
        <p>
          {refusal === "too_large" ? "This chat is full." : "This session was deleted."} Your text was not
          sent; it can be in{" "}
          <Link href="/journey" onClick={carryDraft}>
            a new chat
          </Link>
          .
        </p>
      </div>
    );
  }
  if (isCut) {
    return (
      <div role="status" className={styles.notice}>
        <p>The connection was lost. The reply goes on when it is back.</p>
      </div>
    );
  }
  if (!error && !lacksReply) return null;
  const code = errorCode(error);
  return (
    <div role="alert" className={styles.error}>
      <p>
        {(code && REASONS[code]) ??
          (error ? "The reply failed." : "The last reply is missing or incomplete.")}
      </p>
      <button type="button" onClick={retry}>
        Retry
      </button>
      <button type="button" onClick={dismiss}>
        Dismiss
      </button>
    </div>
  );
}
