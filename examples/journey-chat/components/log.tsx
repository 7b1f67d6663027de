"use client";
import { useRouter, useSearchParams } from "next/navigation";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { send, sessionPath } from "@/lib/api";
import styles from "./log.module.css";
import { Message } from "./message";
import type { ConversationState } from "./use-conversation";

/** Pixels from the end within which the reader is at the end. */
const NEAR = 48;

/** The messages. Opens at the end and stays there while the reader does; earlier messages load on scrolling. */
export function Log({ id, conversation }: { id: string; conversation: ConversationState }) {
  const { messages, status, isBusy, hasMore } = conversation;
  const [isLoading, setLoading] = useState(false);
  const [failed, setFailed] = useState(false);
  const scroller = useRef<HTMLDivElement>(null);
  const earlier = useRef<HTMLButtonElement>(null);
  /** The position of the end at the last render. */
  const end = useRef(0);
  const router = useRouter();
  /** The message of the search result, and the one last scrolled to. */
  const wanted = useSearchParams().get("message");
  const shown = useRef<string>(null);

  // Not by scroll events, which may come later than the words of a reply.
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever something is added
  useLayoutEffect(() => {
    const { current: box } = scroller;
    if (!box) return;
    const isAtEnd = end.current - box.scrollTop - box.clientHeight < NEAR;
    end.current = box.scrollHeight;
    if (isAtEnd) box.scrollTop = box.scrollHeight;
  }, [messages, status]);

  async function loadEarlier() {
    setLoading(true);
    setFailed(false);
    try {
      const show = await conversation.earlier();
      const { current: box } = scroller;
      const fromEnd = box ? box.scrollHeight - box.scrollTop : 0;
      flushSync(show);
      // Keeps what is being read in place.
      if (box) box.scrollTop = box.scrollHeight - fromEnd;
    } catch {
      setFailed(true);
    }
    setLoading(false);
  }

  useEffect(() => {
    if (!hasMore || isLoading || failed || !earlier.current) return;
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && loadEarlier(), {
      root: scroller.current,
      rootMargin: "200px 0px 0px",
    });
    observer.observe(earlier.current);
    return () => observer.disconnect();
  });

  // A message that is not loaded yet is reached page by page, as by scrolling.
  useEffect(() => {
    if (!wanted || shown.current === wanted || isLoading) return;
    const article = scroller.current?.querySelector(`[data-message-id="${CSS.escape(wanted)}"]`);
    if (!article) {
      if (hasMore && !failed) loadEarlier();
      return;
    }
    shown.current = wanted;
    article.scrollIntoView({ block: "center" });
  });

  const fork = useCallback(
    async (through: string) => {
      const made = await send<{ id: string }>("POST", `${sessionPath(id)}/fork`, { through });
      router.push(`/journey/${made.id}`);
    },
    [id, router],
  );
  const { edit, regenerate, answerTool } = useLatest(conversation);

  return (
    <div ref={scroller} className={styles.scroller}>
      {hasMore && (
        <button
          ref={earlier}
          type="button"
          className={styles.earlier}
          disabled={isLoading}
          onClick={loadEarlier}
        >
          {isLoading ? "Loading earlier messages …" : "Load earlier messages"}
        </button>
      )}
      {failed && (
        <p role="alert" className={styles.failed}>
          Earlier messages could not be loaded.
        </p>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
      <div role="log" aria-label="Conversation" aria-busy={isBusy} className={styles.log} tabIndex={0}>
        {messages.map((message, n) => (
          <Message
            key={message.id}
            message={message}
            isIdle={!isBusy}
            isFound={message.id === wanted}
            onEdit={edit}
            onRegenerate={regenerate}
            onFork={fork}
            onAnswerTool={n === messages.length - 1 ? answerTool : undefined}
          />
        ))}
      </div>
      {status === "submitted" && (
        <p role="status" className={styles.waiting}>
          <span className={styles.dots} aria-hidden="true" />
          Waiting for the reply
        </p>
      )}
    </div>
  );
}

/** Stable functions that call those of the last render, so that unchanged messages are not rendered again. */
function useLatest({ edit, regenerate, answerTool }: ConversationState) {
  const latest = useRef({ edit, regenerate, answerTool });
  useLayoutEffect(() => {
    latest.current = { edit, regenerate, answerTool };
  });
  return {
    edit: useCallback((id: string, text: string) => latest.current.edit(id, text), []),
    regenerate: useCallback((id: string) => latest.current.regenerate(id), []),
    answerTool: useCallback((id: string, approved: boolean) => latest.current.answerTool(id, approved), []),
  };
}
