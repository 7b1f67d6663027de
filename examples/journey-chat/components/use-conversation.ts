"use client";
import { useChat } from "@ai-sdk/react";
import { errorCode, interruption, turnsOf } from "@aigos/journey-db/ai-sdk";
import type { JourneyMessage } from "@aigos/journey-db/messages";
import { lastAssistantMessageIsCompleteWithApprovalResponses } from "ai";
import { useCallback, useEffect, useRef, useState } from "react";
import { type MessagesPage, messagesOf } from "@/lib/api";
import { textOf } from "@/lib/text";
import { useChats } from "./chats";
import { useSessions } from "./use-sessions";

/** Why a turn was refused; nothing was stored or changed. */
export type Refusal = "conflict" | "not_found" | "too_large" | "invalid_input";

const isRefusal = (code: string | undefined): code is Refusal =>
  code === "conflict" || code === "not_found" || code === "too_large" || code === "invalid_input";

/** The user's messages after the last answer. */
const unansweredOf = (messages: JourneyMessage[]) =>
  messages.slice(messages.findLastIndex(({ role }) => role === "assistant") + 1);

/** The chat of a session, its turns, and the state of the page. */
export function useConversation(id: string, stored: MessagesPage) {
  const chats = useChats();
  const [chat] = useState(() => chats.of(id, stored.messages));
  const helpers = useChat({ chat });
  const turns = turnsOf(helpers);
  const { refresh } = useSessions();
  const [hasMore, setHasMore] = useState(stored.hasMore);
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
  const isBusy = status === "submitted" || status === "streaming";
  const last = helpers.messages.at(-1);
  const lacksReply =
    !isBusy &&
    last !== undefined &&
    (last.role === "user" ||
      interruption(last) === "failed" ||
      lastAssistantMessageIsCompleteWithApprovalResponses(helpers));
  const [dismissed, setDismissed] = useState<JourneyMessage>();

  /**
   * Shows the newest stored messages, unless they cannot be loaded or the chat went on meanwhile.
   *
   * @param unstored the messages to show of a chat that is not stored
   */
  async function reload(unstored = chat.messages) {
    const shown = chat.messages;
    const page = await messagesOf(id).catch((error) =>
      errorCode(error) === "not_found" ? { messages: unstored, hasMore: false } : undefined,
    );
    if (!page || chat.messages !== shown) return;
    chat.messages = page.messages;
    setHasMore(page.hasMore);
  }

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

  // A page that is shown again may be stale.
  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each time that the page is shown
  useEffect(() => {
    if (chat.messages !== stored.messages && chat.status === "ready" && chat.messages.length > 0) reload();
  }, []);

  // A new session is listed from its first reply on. Titles and phases may have changed elsewhere.
  // biome-ignore lint/correctness/useExhaustiveDependencies: refresh is another function in each render
  useEffect(() => {
    if (status !== "submitted") refresh();
  }, [status]);

  /** Runs a turn. If it is refused, the text goes back to the message field. */
  async function take(turn: () => Promise<void>, written = "") {
    setRefusal(undefined);
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
    error: status === "error" ? helpers.error : undefined,
    refusal,
    /** Whether the last message has no complete reply: it failed, now or before the page was opened. */
    lacksReply: lacksReply && last !== dismissed,
    dismiss() {
      setRefusal(undefined);
      setDismissed(last);
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
    stop() {
      toField();
      return helpers.stop();
    },
  };
}

export type ConversationState = ReturnType<typeof useConversation>;
