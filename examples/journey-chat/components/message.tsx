"use client";
import { hasContent, interruption } from "@aigos/journey-db/ai-sdk";
import type { JourneyMessage } from "@aigos/journey-db/messages";
import { memo, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { textOf } from "@/lib/text";
import { EditIcon, ForkIcon, RepeatIcon } from "./icons";
import styles from "./message.module.css";
import { MessageEditor } from "./message-editor";
import { type AnswerTool, Part } from "./part";

const BADGES = { stopped: "Stopped", failed: "Interrupted" };

export const Message = memo(function Message({
  message,
  isIdle,
  isFound,
  onEdit,
  onRegenerate,
  onFork,
  onAnswerTool,
}: {
  message: JourneyMessage;
  isIdle: boolean;
  /** Whether it is a search result. */
  isFound: boolean;
  onEdit: (id: string, text: string) => void;
  onRegenerate: (id: string) => void;
  onFork: (id: string) => Promise<void>;
  onAnswerTool?: AnswerTool | undefined;
}) {
  const { id, role, parts } = message;
  const [isEditing, setEditing] = useState(false);
  const [failed, setFailed] = useState(false);
  const editButton = useRef<HTMLButtonElement>(null);
  const isUser = role === "user";
  const badge = interruption(message);
  if (!isUser && !hasContent(message)) return null;

  return (
    <article
      id={`message-${id}`}
      data-message-id={id}
      data-role={role}
      data-found={isFound || undefined}
      aria-label={isUser ? "You" : "Assistant"}
      className={styles.message}
    >
      {isEditing ? (
        <MessageEditor
          text={textOf(message)}
          onSave={(text) => {
            setEditing(false);
            onEdit(id, text);
          }}
          onCancel={() => {
            flushSync(() => setEditing(false));
            editButton.current?.focus();
          }}
        />
      ) : (
        <div className={styles.content}>
          {parts.map((part, n) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: parts have no ids and keep their places
            <Part key={n} part={part} isUser={isUser} onAnswerTool={isIdle ? onAnswerTool : undefined} />
          ))}
        </div>
      )}
      {badge && <p className={styles.badge}>{BADGES[badge]}</p>}
      {/* Its space is kept while a reply streams. */}
      <div className={styles.actions}>
        {isIdle && !isEditing && (
          <>
            {isUser ? (
              <button
                ref={editButton}
                type="button"
                aria-label="Edit"
                title="Edit"
                onClick={() => setEditing(true)}
              >
                <EditIcon />
              </button>
            ) : (
              <button
                type="button"
                aria-label="Regenerate"
                title="Regenerate"
                onClick={() => onRegenerate(id)}
              >
                <RepeatIcon />
              </button>
            )}
            <button
              type="button"
              aria-label="Fork from here"
              title="Fork from here"
              onClick={() => onFork(id).catch(() => setFailed(true))}
            >
              <ForkIcon />
            </button>
          </>
        )}
        {failed && <span role="alert">It could not be copied.</span>}
      </div>
    </article>
  );
});
