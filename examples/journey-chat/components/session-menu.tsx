"use client";
import { errorCode } from "@aigos/journey-db/ai-sdk";
import * as Menu from "@radix-ui/react-dropdown-menu";
import { usePathname, useRouter } from "next/navigation";
import { type RefObject, useState } from "react";
import { send, sessionPath } from "@/lib/api";
import type { SessionItem } from "@/lib/journey";
import { DeleteDialog } from "./delete-dialog";
import { MoreIcon } from "./icons";
import styles from "./session-menu.module.css";
import { useSessions } from "./use-sessions";

/** What can be done with a session of the list. */
export function SessionMenu({
  session,
  button,
  onRename,
  onProblem,
}: {
  session: SessionItem;
  button: RefObject<HTMLButtonElement | null>;
  onRename: () => void;
  onProblem: (problem: string | undefined) => void;
}) {
  const { id, title, pinned, archived } = session;
  const { refresh } = useSessions();
  const router = useRouter();
  const pathname = usePathname();
  const [isDeleting, setDeleting] = useState(false);

  async function change(changes: { pinned: boolean } | { archived: boolean }) {
    try {
      await send("PATCH", sessionPath(id), changes);
      onProblem(undefined);
      if ("archived" in changes && changes.archived && pathname === `/journey/${id}`) router.push("/journey");
    } catch (error) {
      const isGone = errorCode(error) === "not_found";
      onProblem(`“${title}” ${isGone ? "was deleted in another tab." : "could not be changed. Try again."}`);
    }
    await refresh();
  }

  return (
    <>
      <Menu.Root modal={false}>
        <Menu.Trigger ref={button} className={styles.options} aria-label={`Options for ${title}`}>
          <MoreIcon />
        </Menu.Trigger>
        {/* Not in a portal: it must be in the drawer, since all else is inert. */}
        <Menu.Content className={styles.menu} align="end" sideOffset={4}>
          <Menu.Item onSelect={onRename}>Rename</Menu.Item>
          {!archived && (
            <Menu.Item onSelect={() => change({ pinned: !pinned })}>{pinned ? "Unpin" : "Pin"}</Menu.Item>
          )}
          <Menu.Item onSelect={() => change({ archived: !archived })}>
            {archived ? "Unarchive" : "Archive"}
          </Menu.Item>
          <Menu.Item onSelect={() => setDeleting(true)} className={styles.danger}>
            Delete
          </Menu.Item>
        </Menu.Content>
      </Menu.Root>
      {isDeleting && (
        <DeleteDialog
          session={session}
          onClose={() => {
            setDeleting(false);
            button.current?.focus();
          }}
        />
      )}
    </>
  );
}
