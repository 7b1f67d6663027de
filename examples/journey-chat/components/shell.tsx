"use client";
import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { SWRConfig } from "swr";
import type { SessionsPage } from "@/lib/api";
import { ChatsProvider } from "./chats";
import { CloseIcon, MenuIcon } from "./icons";
import styles from "./shell.module.css";
import { Sidebar } from "./sidebar";
import { CHATS, ListContext } from "./use-sessions";
import { type DemoUser, UserSwitch } from "./user-switch";

const MODAL = { role: "dialog", "aria-modal": true, "aria-label": "Sessions" };

/** The frame of all pages: the sidebar, on a phone a drawer, and the page. */
export function Shell({
  users,
  userId,
  switchUser,
  firstPage,
  children,
}: {
  users: readonly DemoUser[];
  userId: string;
  switchUser: (form: FormData) => Promise<void>;
  firstPage: SessionsPage;
  children: ReactNode;
}) {
  const [view, setView] = useState(CHATS);
  const [isOpen, setOpen] = useState(false);
  const close = useCallback(() => setOpen(false), []);
  const openButton = useRef<HTMLButtonElement>(null);
  const closeButton = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    if (!isOpen) return;
    const opener = openButton.current;
    const onKeyDown = (event: KeyboardEvent) => {
      // A menu or a dialog in the drawer is closed first.
      if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog:modal")) return;
      close();
    };
    closeButton.current?.focus();
    // In a wide window there is no drawer to close.
    const wide = matchMedia("(min-width: 768px)");
    wide.addEventListener("change", close);
    document.addEventListener("keydown", onKeyDown);
    return () => {
      document.removeEventListener("keydown", onKeyDown);
      wide.removeEventListener("change", close);
      opener?.focus();
    };
  }, [isOpen, close]);

  return (
    <SWRConfig value={{ provider: () => new Map() }}>
      <ListContext value={{ firstPage, view, setView }}>
        <ChatsProvider>
          <div className={styles.shell}>
            <button
              ref={openButton}
              type="button"
              className={styles.open}
              aria-label="Open sessions"
              inert={isOpen}
              onClick={() => setOpen(true)}
            >
              <MenuIcon />
            </button>
            <div className={styles.drawer} data-open={isOpen} {...(isOpen && MODAL)}>
              <button
                ref={closeButton}
                type="button"
                className={styles.close}
                aria-label="Close sessions"
                onClick={close}
              >
                <CloseIcon />
              </button>
              <Sidebar onOpen={close} />
              <UserSwitch users={users} userId={userId} switchUser={switchUser} />
            </div>
            {/* biome-ignore lint/a11y: a second way to close the drawer, for the mouse alone */}
            <div className={styles.backdrop} data-open={isOpen} onClick={close} />
            <div className={styles.page} inert={isOpen}>
              {children}
            </div>
          </div>
        </ChatsProvider>
      </ListContext>
    </SWRConfig>
  );
}
