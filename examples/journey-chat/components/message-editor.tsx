"use client";
import { useState } from "react";
import buttons from "./button.module.css";
import styles from "./message-editor.module.css";

export function MessageEditor({
  text,
  onSave,
  onCancel,
}: {
  text: string;
  onSave: (text: string) => void;
  onCancel: () => void;
}) {
  const [written, setWritten] = useState(text);
  const save = () => {
    if (written.trim()) onSave(written.trim());
  };
  return (
    <form
      className={styles.editor}
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <textarea
        aria-label="Edit message"
        // biome-ignore lint/a11y/noAutofocus: the user has just asked to write here
        autoFocus
        rows={3}
        value={written}
        onChange={(event) => setWritten(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") onCancel();
          if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
          event.preventDefault();
          save();
        }}
      />
      <p>What follows this message is replaced.</p>
      <div>
        <button type="button" className={buttons.button} onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" className={buttons.primary} disabled={!written.trim()}>
          Save and send
        </button>
      </div>
    </form>
  );
}
