"use client";
import type { Chat } from "@ai-sdk/react";
import { errorCode, interruption, type SessionEvent } from "@aigos/journey-db/ai-sdk";
import type { JourneyMessage } from "@aigos/journey-db/messages";
import { lastAssistantMessageIsCompleteWithApprovalResponses } from "ai";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { type MessagesPage, messagesOf, sessionPath } from "@/lib/api";

/** Milliseconds between attempts to follow a reply, and to open the events after the server refused them. */
const PAUSE = 1_000;
const PAUSE_OF_EVENTS = 5_000;

const NOTHING: MessagesPage = { messages: [], hasMore: false };

const isVisible = () => document.visibilityState === "visible";

function onVisibilityChange(changed: () => void) {
  document.addEventListener("visibilitychange", changed);
  return () => document.removeEventListener("visibilitychange", changed);
}

/** The user's messages after the last answer. */
export const unansweredOf = (messages: JourneyMessage[]) =>
  messages.slice(messages.findLastIndex(({ role }) => role === "assistant") + 1);

/** Whether the last message has no complete reply. */
export function lacksReply(messages: JourneyMessage[]): boolean {
  const last = messages.at(-1);
  if (!last) return false;
  return (
    last.role === "user" ||
    interruption(last) === "failed" ||
    lastAssistantMessageIsCompleteWithApprovalResponses({ messages })
  );
}

/**
 * Keeps a chat as its session is stored, and follows a reply that another tab began, or this one before a reload or a
 * loss of the network. A visible tab that is idle listens to the session's events; a tab that streams a reply has only
 * that one connection, since a browser opens six to a server at most.
 */
export function useLive(id: string, chat: Chat<JourneyMessage>, stored: MessagesPage, status: string) {
  const [hasMore, setHasMore] = useState(stored.hasMore);
  /** The session as the server last described it; undefined while the page does not listen. */
  const [live, setLive] = useState<SessionEvent>();
  const [attempt, setAttempt] = useState(0);
  /** What was last read. The messages of a chat that was open before may be stale. */
  const read = useRef(chat.messages === stored.messages ? stored : NOTHING);
  const isFollowing = useRef(false);
  const isShown = useSyncExternalStore(onVisibilityChange, isVisible, () => false);
  const isBusy = status === "submitted" || status === "streaming";
  // A new chat has no row before its first message.
  const exists = stored.revision !== undefined || chat.messages.length > 0;
  const listens = isShown && exists && !isBusy;

  /** Shows the newest messages, after earlier ones that were loaded. */
  function show(page: MessagesPage) {
    read.current = page;
    const first = chat.messages.findIndex((message) => message.id === page.messages[0]?.id);
    chat.messages = [...chat.messages.slice(0, Math.max(first, 0)), ...page.messages];
    if (first <= 0) setHasMore(page.hasMore);
  }

  // biome-ignore lint/correctness/useExhaustiveDependencies: `attempt` opens them again
  useEffect(() => {
    if (!listens) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const source = new EventSource(`${sessionPath(id)}/events`);
    source.onmessage = ({ data }) => {
      const event: SessionEvent | null = JSON.parse(data);
      // The session was deleted.
      if (!event) source.close();
      setLive(event ?? undefined);
    };
    source.onerror = () => {
      setLive(undefined);
      // The browser itself tries again if the connection is lost.
      if (source.readyState === EventSource.CLOSED)
        timer = setTimeout(() => setAttempt((n) => n + 1), PAUSE_OF_EVENTS);
    };
    return () => {
      clearTimeout(timer);
      source.close();
      setLive(undefined);
    };
  }, [id, listens, attempt]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each event
  useEffect(() => {
    if (!live) return;
    let isCurrent = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    async function catchUp({ revision, replyId }: SessionEvent) {
      const isCut = chat.error instanceof TypeError;
      if (revision !== read.current.revision || isCut) {
        let shown: JourneyMessage[];
        let page: MessagesPage;
        do {
          shown = chat.messages;
          page = await messagesOf(id);
          if (!isCurrent) return;
        } while (chat.messages !== shown);
        const known = new Set([...page.messages, ...read.current.messages].map((message) => message.id));
        // A message that did not arrive stays on the page until the user sends it again.
        if (unansweredOf(shown).some((message) => !known.has(message.id))) return;
        show(page);
        if (isCut || !lacksReply(page.messages)) chat.clearError();
      }
      if (!replyId) return;
      isFollowing.current = true;
      // Its stream replaces what was read, in which the answer may have been stored already.
      read.current = { ...read.current, revision: undefined };
      await chat.resumeStream();
      isFollowing.current = false;
      // It could not be followed.
      if (isCurrent && chat.error) throw chat.error;
    }
    catchUp(live).catch(() => {
      if (isCurrent) timer = setTimeout(() => setLive({ ...live }), PAUSE);
    });
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [live]);

  // A reply begins before its question is stored, so the page may have read the messages too early.
  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each reply
  useEffect(() => {
    if (status !== "streaming" || !isFollowing.current) return;
    let isCurrent = true;
    const readQuestion = async () => {
      const page = await messagesOf(id);
      const reply = chat.lastMessage;
      if (!isCurrent || !reply) return;
      const others = page.messages.filter((message) => message.id !== reply.id);
      show({ ...page, messages: [...others, reply], revision: undefined });
    };
    // It is read at the end of the reply, too.
    readQuestion().catch(() => {});
    return () => {
      isCurrent = false;
    };
  }, [status]);

  return {
    hasMore,
    setHasMore,
    isBusy,
    /** Whether the session is known to produce no reply. */
    isAtRest: !isBusy && live?.replyId === null,
    /**
     * Shows the newest stored messages, unless they cannot be loaded.
     *
     * @param unstored the messages to show of a chat that is not stored
     */
    async reload(unstored: JourneyMessage[]) {
      const page = await messagesOf(id).catch((error) =>
        errorCode(error) === "not_found" ? { messages: unstored, hasMore: false } : undefined,
      );
      if (page) show(page);
      // What waited for that.
      setLive((now) => now && { ...now });
    },
  };
}
