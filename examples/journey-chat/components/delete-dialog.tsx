"use client";
import { errorCode } from "@aigos/journey-db/ai-sdk";
import { usePathname, useRouter } from "next/navigation";
import { useEffect, useRef, useState } from "react";
import { send, sessionPath } from "@/lib/api";
import type { SessionItem } from "@/lib/journey";
import buttons from "./button.module.css";
import { useChats } from "./chats";
import styles from "./delete-dialog.module.css";
import { useSessions } from "./use-sessions";

/** Asks for confirmation, then deletes. */
export function DeleteDialog({
  session: { id, title },
  onClose,
}: {
  session: SessionItem;
  onClose: () => void;
}) {
  const { refresh } = useSessions();
  const chats = useChats();
  const router = useRouter();
  const pathname = usePathname();
  const dialog = useRef<HTMLDialogElement>(null);
  const [state, setState] = useState<"asking" | "deleting" | "failed">("asking");

  useEffect(() => dialog.current?.showModal(), []);

  async function remove() {
    setState("deleting");
    try {
      await send("DELETE", sessionPath(id));
    } catch (error) {
      if (errorCode(error) !== "not_found") {
        setState("failed");
        return;
      }
    }
    chats.forget(id);
    if (pathname === `/journey/${id}`) router.push("/journey");
    dialog.current?.close();
    // Its event may come after the row is removed and the focus lost.
    onClose();
    await refresh();
  }

  return (
    <dialog ref={dialog} className={styles.dialog} aria-labelledby="delete-title" onClose={onClose}>
      <h2 id="delete-title">Delete this session?</h2>
      <p>
        <q>{title}</q> and all its messages are gone then, in every tab.
      </p>
      {state === "failed" && <p role="alert">It could not be deleted. Try again.</p>}
      <div>
        <button type="button" className={buttons.button} onClick={() => dialog.current?.close()}>
          Cancel
        </button>
        <button type="button" className={buttons.danger} disabled={state === "deleting"} onClick={remove}>
          Delete
        </button>
      </div>
    </dialog>
  );
}
