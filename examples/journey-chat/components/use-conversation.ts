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

/** What was refused, of which nothing was stored or changed. */
export type Refusal = "conflict" | "not_found" | "too_large" | "invalid_input";

const isRefusal = (code: string | undefined): code is Refusal =>
  code === "conflict" || code === "not_found" || code === "too_large" || code === "invalid_input";

/** The user's last messages, where no answer follows them. */
const unansweredOf = (messages: JourneyMessage[]) =>
  messages.slice(messages.findLastIndex(({ role }) => role === "assistant") + 1);

/** The chat of a session, its turns, and what the page tells of them. */
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
  /** What a user acts with often goes away then, and must not take the focus along. Not on a phone: a keyboard would come up. */
  const toField = useCallback(() => {
    if (matchMedia("(pointer: fine)").matches) field.current?.focus();
  }, []);
  /** What was written in a session that is gone goes along to a new chat. */
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
   * Shows the newest messages as they are stored. What is shown stays where they cannot be had, and where it went on meanwhile.
   *
   * @param unstored what to show of a chat that is not stored
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

  // So that typing goes into it. Not from where the user has begun to write meanwhile, nor from a hit of the
  // search, from which the arrow keys lead to the next.
  useEffect(() => {
    const { activeElement: at, body } = document;
    if (at === body || (chats.isAwaited && !at?.matches("input, textarea"))) toField();
    chats.isAwaited = false;
  }, [chats, toField]);

  // A page that is shown again may be older than what is stored.
  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each time that the page is shown
  useEffect(() => {
    if (chat.messages !== stored.messages && chat.status === "ready" && chat.messages.length > 0) reload();
  }, []);

  // The session is in the list from its first reply on, and a title or a phase may have changed elsewhere.
  // biome-ignore lint/correctness/useExhaustiveDependencies: refresh is another function in each render
  useEffect(() => {
    if (status !== "submitted") refresh();
  }, [status]);

  /** Makes a turn; where it was refused, what the user wrote goes back to where it can be sent again. */
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
    // What was sent before and did not arrive comes back too.
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
    /** The last message has no reply, or not a whole one: it failed, now or before the page was opened. */
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
    /** Loads the page before the first message; what it answers puts that in front. */
    async earlier() {
      const first = chat.messages[0]?.id;
      const page = await messagesOf(id, first);
      // Scrolling and the button may both have asked, and the chat may have been loaded anew.
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
    /** Lets a tool run that waits for it, or not. The model goes on when no other waits. */
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
