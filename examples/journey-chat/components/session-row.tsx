"use client";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { type MouseEventHandler, useLayoutEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { send, sessionPath } from "@/lib/api";
import type { SessionItem } from "@/lib/journey";
import { SessionMenu } from "./session-menu";
import styles from "./session-row.module.css";
import { Time } from "./time";
import { useSessions } from "./use-sessions";

/** The next session, or else the previous one, or else "New chat". */
const neighbourOf = (row: HTMLElement) =>
  (row.nextElementSibling ?? row.previousElementSibling ?? row.closest("nav"))?.querySelector("a");

export function SessionRow({
  session,
  isCurrent,
  onOpen,
  onProblem,
}: {
  session: SessionItem;
  isCurrent: boolean;
  onOpen: MouseEventHandler<HTMLAnchorElement>;
  onProblem: (problem: string | undefined) => void;
}) {
  const { id, title, phase, pinned, archived, createdAt } = session;
  const [isRenaming, setRenaming] = useState(false);
  const options = useRef<HTMLButtonElement>(null);
  const row = useRef<HTMLLIElement>(null);

  function endRenaming() {
    flushSync(() => setRenaming(false));
    // Otherwise the user has moved the focus while the title was saved.
    if (document.activeElement === document.body) options.current?.focus();
  }

  // The focus must not be lost when the row is removed.
  useLayoutEffect(
    () => () => {
      if (row.current?.contains(document.activeElement)) neighbourOf(row.current)?.focus();
    },
    [],
  );

  if (isRenaming) return <TitleField id={id} title={title} onClose={endRenaming} />;
  return (
    <li ref={row} className={styles.row} data-current={isCurrent}>
      <Link
        href={`/journey/${id}`}
        prefetch={false}
        aria-current={isCurrent ? "page" : undefined}
        onClick={onOpen}
      >
        <span className={styles.title}>{title}</span>
        <span className={styles.about}>
          <span data-phase={phase}>{phase === "review" ? "Review" : "Setup"}</span>
          <Time at={createdAt} />
          {pinned && !archived && <span>Pinned</span>}
        </span>
      </Link>
      <SessionMenu
        session={session}
        button={options}
        onRename={() => setRenaming(true)}
        onProblem={onProblem}
      />
    </li>
  );
}

/** The row while its title is edited. */
function TitleField({ id, title, onClose }: { id: string; title: string; onClose: () => void }) {
  const { refresh } = useSessions();
  const router = useRouter();
  const [failed, setFailed] = useState(false);

  async function save(form: FormData) {
    const renamed = String(form.get("title")).trim();
    if (renamed && renamed !== title) {
      try {
        await send("PATCH", sessionPath(id), { title: renamed });
      } catch {
        setFailed(true);
        return;
      }
      await refresh();
      router.refresh();
    }
    onClose();
  }

  return (
    <li className={styles.row}>
      <form action={save} className={styles.rename}>
        <input
          name="title"
          aria-label="Title"
          aria-describedby={failed ? `${id}-failed` : undefined}
          // biome-ignore lint/a11y/noAutofocus: the user has just asked to write here
          autoFocus
          required
          maxLength={200}
          defaultValue={title}
          onFocus={(event) => event.target.select()}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            event.preventDefault();
            onClose();
          }}
        />
        {failed && (
          <span id={`${id}-failed`} role="alert">
            It could not be renamed.
          </span>
        )}
      </form>
    </li>
  );
}
