"use client";
import { useChat } from "@ai-sdk/react";
import { errorCode, turnsOf } from "@aigos/journey-db/ai-sdk";
import { lastAssistantMessageIsCompleteWithApprovalResponses } from "ai";
import { useCallback, useEffect, useRef, useState } from "react";
import { type MessagesPage, messagesOf, send, streamPath } from "@/lib/api";
import { textOf } from "@/lib/text";
import { useChats } from "./chats";
import { lacksReply, unansweredOf, useLive } from "./use-live";
import { useSessions } from "./use-sessions";

/** Why a turn was refused; nothing was stored or changed. */
export type Refusal = "conflict" | "not_found" | "too_large" | "invalid_input";

const isRefusal = (code: string | undefined): code is Refusal =>
  code === "conflict" || code === "not_found" || code === "too_large" || code === "invalid_input";

/** Milliseconds after which Stop is tried again, for a reply that had not begun. */
const PAUSE = 250;

/** The chat of a session, its turns, and the state of the page. */
export function useConversation(id: string, stored: MessagesPage) {
  const chats = useChats();
  const [chat] = useState(() => chats.of(id, stored.messages));
  const helpers = useChat({ chat });
  const turns = turnsOf(helpers);
  const { refresh } = useSessions();
  const [refusal, setRefusal] = useState<Refusal>();
  const [draft, setDraft] = useState("");
  const field = useRef<HTMLTextAreaElement>(null);
  /** Keeps the focus when the control that had it is removed. Not on a phone, where the keyboard would appear. */
  const toField = useCallback(() => {
    if (matchMedia("(pointer: fine)").matches) field.current?.focus();
  }, []);
  /** The session was deleted: its draft can be moved to a new chat. */
  const isGone = refusal === "not_found";
  const { status } = helpers;
  const { isBusy, isAtRest, hasMore, setHasMore, reload } = useLive(id, chat, stored, status);
  const last = helpers.messages.at(-1);
  /** The connection was lost within a reply, which is followed when it is back. */
  const isCut =
    helpers.error instanceof TypeError &&
    last?.role === "assistant" &&
    !lastAssistantMessageIsCompleteWithApprovalResponses(helpers);
  /** The id of the message whose notice was dismissed. */
  const [dismissed, setDismissed] = useState<string>();

  useEffect(() => {
    chats.shown = id;
    chats.toField = toField;
    if (chats.carried) setDraft(chats.carried);
    chats.carried = "";
    return () => {
      chats.shown = undefined;
      chats.toField = undefined;
    };
  }, [chats, id, toField]);

  // So that the user can type at once. Not if the user is typing elsewhere, nor from a search result, where the
  // arrow keys move to the next one.
  useEffect(() => {
    const { activeElement: at, body } = document;
    if (at === body || (chats.isAwaited && !at?.matches("input, textarea"))) toField();
    chats.isAwaited = false;
  }, [chats, toField]);

  // A new session is listed from its first reply on. Titles and phases may have changed elsewhere.
  // biome-ignore lint/correctness/useExhaustiveDependencies: refresh is another function in each render
  useEffect(() => {
    if (status !== "submitted") refresh();
  }, [status]);

  /** Runs a turn. If it is refused, the text goes back to the message field. */
  async function take(turn: () => Promise<void>, written = "") {
    setRefusal(undefined);
    setDismissed(undefined);
    toField();
    await turn();
    const code = errorCode(chat.error);
    if (!isRefusal(code)) return;
    chat.clearError();
    setRefusal(code);
    const unanswered = unansweredOf(chat.messages);
    if (code === "not_found") chat.messages = [];
    else await reload([]);
    // So do earlier messages that did not arrive.
    const shown = new Set(chat.messages.map((message) => message.id));
    const lost = unanswered.filter((message) => !shown.has(message.id)).map(textOf);
    setDraft((typed) => [...new Set([...lost, written, typed])].filter(Boolean).join("\n\n"));
  }

  return {
    messages: helpers.messages,
    status,
    isBusy,
    // A reply that failed may be followed once more before it is over.
    error: isCut || (last && last.id === dismissed) ? undefined : helpers.error,
    isCut,
    refusal,
    /** Whether the last message has no complete reply, and none is being produced. */
    lacksReply: isAtRest && lacksReply(helpers.messages) && last?.id !== dismissed,
    dismiss() {
      setRefusal(undefined);
      setDismissed(last?.id);
      helpers.clearError();
      toField();
    },
    field,
    toField,
    draft,
    setDraft,
    isGone,
    carryDraft() {
      chats.carried = draft;
    },
    hasMore,
    /** Loads the page before the first message. Returns a function that prepends it. */
    async earlier() {
      const first = chat.messages[0]?.id;
      const page = await messagesOf(id, first);
      // Scrolling and the button may both have loaded it, and the chat may have been reloaded.
      return () => {
        if (chat.messages[0]?.id !== first) return;
        chat.messages = [...page.messages, ...chat.messages];
        setHasMore(page.hasMore);
      };
    },
    send(text: string) {
      setDraft("");
      return take(() => helpers.sendMessage({ text }), text);
    },
    edit: (messageId: string, text: string) => take(() => turns.edit(messageId, { text }), text),
    regenerate: (messageId: string) => take(() => turns.regenerate(messageId)),
    retry: () => take(turns.retry),
    /** Approves or denies a tool call. The model continues when none is left to decide. */
    answerTool: (approvalId: string, approved: boolean) =>
      take(async () => {
        await helpers.addToolApprovalResponse({ id: approvalId, approved });
        if (lastAssistantMessageIsCompleteWithApprovalResponses(chat)) await helpers.sendMessage();
      }),
    /** Stops the reply, whichever tab began it. Its stream ends with what has arrived. */
    async stop() {
      toField();
      while (!(await send<boolean>("DELETE", streamPath(id)).catch(() => false))) {
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
        if (chat.status !== "submitted") return;
      }
    },
  };
}

export type ConversationState = ReturnType<typeof useConversation>;
