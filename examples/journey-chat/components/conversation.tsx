"use client";
import { useState } from "react";
import type { MessagesPage } from "@/lib/api";
import type { SessionItem } from "@/lib/journey";
import { Alerts } from "./alerts";
import { Composer } from "./composer";
import styles from "./conversation.module.css";
import { Greeting } from "./greeting";
import { Header } from "./header";
import { Log } from "./log";
import { ReviewPanel } from "./review-panel";
import { useConversation } from "./use-conversation";
import { useSessions } from "./use-sessions";

const NOTHING: MessagesPage = { messages: [], hasMore: false };

/** A chat, stored or new. In phase 'setup' it has one column, in phase 'review' a panel beside it. */
export function Conversation({
  id,
  stored,
}: {
  id: string;
  stored?: MessagesPage & { session: SessionItem };
}) {
  const found = useSessions().find(id) ?? stored?.session;
  // A chat that began on this page and was archived in another tab is in no list that is loaded.
  const [known, setKnown] = useState(found);
  if (found && found !== known) setKnown(found);
  const session = found ?? known;
  const conversation = useConversation(id, stored ?? NOTHING);
  const isEmpty = conversation.messages.length === 0;

  return (
    <main className={styles.page} data-phase={session?.phase ?? "setup"}>
      <title>{`${session?.title ?? "New chat"} – Journey`}</title>
      <Header session={session} onMoved={setKnown} />
      <div className={styles.body}>
        <section className={styles.chat} aria-label="Chat">
          {isEmpty && !conversation.isGone ? (
            <Greeting onChoose={conversation.send} />
          ) : (
            <Log id={id} conversation={conversation} />
          )}
          <div className={styles.foot}>
            <Alerts conversation={conversation} />
            <Composer conversation={conversation} />
          </div>
        </section>
        {session?.phase === "review" && <ReviewPanel session={session} messages={conversation.messages} />}
      </div>
    </main>
  );
}
