"use client";
import { usePathname } from "next/navigation";
import { useEffect, useState } from "react";
import { useChats } from "./chats";
import { Conversation } from "./conversation";

/**
 * A new chat: it has an id, and no row until its first message. The URL gets the id with that message while
 * the page stays, so Back may return here with the id of a chat that exists.
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

  // A chat that began here and is not known any more, such as after a change of user, is loaded from the server.
  const isUnknown = !useChats().has(id) && id !== fresh;
  useEffect(() => {
    if (isUnknown) location.reload();
  }, [isUnknown]);
  if (isUnknown) return null;
  return <Conversation key={id} id={id} />;
}
