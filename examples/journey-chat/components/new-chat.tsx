"use client";
import { usePathname } from "next/navigation";
import { useState } from "react";
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
  return <Conversation key={id} id={id} />;
}
