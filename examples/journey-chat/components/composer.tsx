"use client";
import { type FormEvent, type KeyboardEvent, useCallback } from "react";
import styles from "./composer.module.css";
import { SendIcon, StopIcon } from "./icons";
import type { ConversationState } from "./use-conversation";

/** The message field. Enter sends, Shift+Enter starts a new line, Escape stops a reply. */
export function Composer({ conversation }: { conversation: ConversationState }) {
  const { draft, setDraft, isBusy, isGone, send, stop, field, toField } = conversation;
  const text = draft.trim();

  function submit(event?: FormEvent) {
    event?.preventDefault();
    if (text && !isBusy && !isGone) send(text);
  }

  // The button is also removed when a reply ends, and the focus must not be lost with it.
  const stopButton = useCallback(
    (button: HTMLButtonElement) => () => {
      if (document.activeElement === button) toField();
    },
    [toField],
  );

  function onKeyDown(event: KeyboardEvent) {
    // During composition, both keys belong to the input method.
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Escape" && isBusy) stop();
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    submit();
  }

  return (
    <form className={styles.composer} onSubmit={submit}>
      <textarea
        ref={field}
        aria-label="Message"
        placeholder="Write a message"
        rows={1}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={onKeyDown}
      />
      {isBusy ? (
        <button ref={stopButton} type="button" aria-label="Stop" title="Stop" onClick={stop}>
          <StopIcon />
        </button>
      ) : (
        <button type="submit" aria-label="Send" title="Send" disabled={!text || isGone}>
          <SendIcon />
        </button>
      )}
    </form>
  );
}
