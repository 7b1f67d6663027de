"use client";
import { Chat } from "@ai-sdk/react";
import { turnRequest } from "@aigos/journey-db/ai-sdk";
import type { JourneyMessage } from "@aigos/journey-db/messages";
import { DefaultChatTransport } from "ai";
import { createContext, type ReactNode, useContext, useState } from "react";
import { sessionPath, streamPath } from "@/lib/api";

/** The open chats, by session id. They outlive their pages, so that a reply continues while another session is shown. */
class Chats {
  readonly #chats = new Map<string, Chat<JourneyMessage>>();

  /** The id of the chat that the page shows. */
  shown: string | undefined;

  /** Moves the focus to the message field of that page. */
  toField: (() => void) | undefined;

  /** Whether the user is opening another page, whose message field gets the focus. */
  isAwaited = false;

  /** A draft for the chat that is shown next. */
  carried = "";

  of(id: string, stored: JourneyMessage[]): Chat<JourneyMessage> {
    const open = this.#chats.get(id) ?? chatOf(id, stored, () => this.shown === id);
    this.#chats.set(id, open);
    return open;
  }

  has = (id: string): boolean => this.#chats.has(id);

  forget(id: string): void {
    this.#chats.get(id)?.stop();
    this.#chats.delete(id);
  }
}

function chatOf(id: string, stored: JourneyMessage[], isShown: () => boolean): Chat<JourneyMessage> {
  const chat: Chat<JourneyMessage> = new Chat<JourneyMessage>({
    id,
    messages: stored,
    generateId: () => crypto.randomUUID(),
    transport: new DefaultChatTransport({
      api: sessionPath(id),
      prepareSendMessagesRequest: turnRequest,
      // A reply that has just ended is sent too, unless the page shows it.
      prepareReconnectToStreamRequest: () => ({
        api: `${streamPath(id)}?after=${encodeURIComponent(chat.lastMessage?.id ?? "")}`,
      }),
      async fetch(...request) {
        const response = await fetch(...request);
        // The session exists now. Not by the router, which would render the page again.
        if (response.ok && isShown() && location.pathname === "/journey") {
          history.replaceState(null, "", `/journey/${id}`);
        }
        return response;
      },
    }),
  });
  return chat;
}

const ChatsContext = createContext<Chats | undefined>(undefined);

export function ChatsProvider({ children }: { children: ReactNode }) {
  const [chats] = useState(() => new Chats());
  return <ChatsContext value={chats}>{children}</ChatsContext>;
}

export function useChats(): Chats {
  const chats = useContext(ChatsContext);
  if (!chats) throw new Error("useChats: expected a ChatsProvider above");
  return chats;
}
