import type { SearchHit } from "@aigos/journey-db";
import type { JourneyMessage } from "@aigos/journey-db/messages";
import type { Phase, SessionItem } from "./journey";

/** Which sessions the list shows. */
export interface View {
  archived: boolean;
  /** @default all */
  phase?: Phase | undefined;
}

export interface SessionsPage {
  sessions: SessionItem[];
  nextCursor?: string;
}

export type Hit = Omit<SearchHit, "session"> & { session: SessionItem };

export interface MessagesPage {
  messages: JourneyMessage[];
  hasMore: boolean;
  /** Of the session; undefined if it is not stored. */
  revision?: string;
}

export const SESSIONS = "/api/journey";

/** A page of the list: the first, or the one that `cursor` begins. */
export function listPath({ archived, phase }: View, cursor?: string): string {
  const query = { ...(archived && { archived: "true" }), ...(phase && { phase }), ...(cursor && { cursor }) };
  const text = new URLSearchParams(query).toString();
  return text ? `${SESSIONS}?${text}` : SESSIONS;
}

export const sessionPath = (id: string) => `${SESSIONS}/${id}`;

/** The reply that is being produced. */
export const streamPath = (id: string) => `${sessionPath(id)}/stream`;

/** Throws the text of the response, as useChat does, so that `errorCode` reads both. */
export async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await fetch(path, init);
  const text = await response.text();
  if (!response.ok) throw new Error(text || response.statusText);
  return (text ? JSON.parse(text) : undefined) as T;
}

export const send = <T>(method: "POST" | "PATCH" | "DELETE", path: string, body?: object): Promise<T> =>
  ask<T>(path, {
    method,
    headers: { "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });

/** Messages of a session: the newest, or those before `before`. */
export const messagesOf = (id: string, before?: string): Promise<MessagesPage> =>
  ask(`${sessionPath(id)}${before === undefined ? "" : `?before=${encodeURIComponent(before)}`}`);
