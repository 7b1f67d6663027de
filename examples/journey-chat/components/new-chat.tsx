"use client";
import { usePathname } from "next/navigation";
import { useEffect, useState } from "react";
import { useChats } from "./chats";
import { Conversation } from "./conversation";

/**
 * A chat that begins with its first message: until then there is an id and no row. The address gets
 * the id with that message while the page stays, so Back may lead here with the id of a chat that has begun.
 */
export function NewChat() {
  const pathname = usePathname();
  const [fresh, setFresh] = useState(() => crypto.randomUUID());
  const [before, setBefore] = useState(pathname);
  if (pathname !== before) {
    setBefore(pathname);
    if (pathname === "/journey") setFresh(crypto.randomUUID());
  }
  const id = pathname.slice("/journey/".length) || fresh;

  // Of a chat that was begun here and is no longer known, by another user say, the server must decide.
  const isUnknown = !useChats().has(id) && id !== fresh;
  useEffect(() => {
    if (isUnknown) location.reload();
  }, [isUnknown]);
  if (isUnknown) return null;
  return <Conversation key={id} id={id} />;
}
