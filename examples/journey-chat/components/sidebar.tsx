"use client";
import Link from "next/link";
import { type KeyboardEvent, type MouseEvent, useRef, useState } from "react";
import { useDebounce } from "use-debounce";
import { useChats } from "./chats";
import { PlusIcon, SearchIcon } from "./icons";
import { SearchResults } from "./search-results";
import { SessionList } from "./session-list";
import styles from "./sidebar.module.css";
import { ViewSwitch } from "./view-switch";

/** The link that each key moves to, from the nth of `count` links. */
const STEPS: Record<string, (n: number, count: number) => number> = {
  ArrowDown: (n, count) => Math.min(n + 1, count - 1),
  ArrowUp: (n) => Math.max(n - 1, 0),
  Home: () => 0,
  End: (_, count) => count - 1,
};

/** @param onOpen called when a chat is about to be shown */
export function Sidebar({ onOpen }: { onOpen: () => void }) {
  const [text, setText] = useState("");
  const [searched] = useDebounce(text.trim(), 200);
  const list = useRef<HTMLDivElement>(null);
  const chats = useChats();

  /** Moves the focus to the message field of the chat that is opened. */
  function open({ currentTarget }: MouseEvent<HTMLAnchorElement>) {
    if (currentTarget.pathname === location.pathname) chats.toField?.();
    else chats.isAwaited = true;
    onOpen();
  }

  /** Arrow keys move between the links, and from the search field to the first one. */
  function walk(event: KeyboardEvent<HTMLElement>) {
    const links = [...(list.current?.querySelectorAll<HTMLElement>("a") ?? [])];
    const step = STEPS[event.key];
    const here = links.indexOf(event.target as HTMLElement);
    const isSearch = event.target instanceof HTMLInputElement && event.target.type === "search";
    if (!step || links.length === 0 || (here < 0 && !(isSearch && event.key === "ArrowDown"))) return;
    event.preventDefault();
    links[step(here, links.length)]?.focus();
  }

  return (
    <nav aria-label="Sessions" className={styles.sidebar} onKeyDown={walk}>
      <Link href="/journey" className={styles.create} onClick={open}>
        <PlusIcon />
        New chat
      </Link>
      <div className={styles.search}>
        <SearchIcon />
        <input
          type="search"
          aria-label="Search sessions"
          placeholder="Search"
          maxLength={1000}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </div>
      {!searched && <ViewSwitch />}
      <div ref={list} className={styles.list}>
        {searched ? <SearchResults text={searched} onOpen={onOpen} /> : <SessionList onOpen={open} />}
      </div>
    </nav>
  );
}
