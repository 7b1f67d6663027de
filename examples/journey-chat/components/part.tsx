import type { JourneyMessage } from "@aigos/journey-db/messages";
import Markdown from "react-markdown";
import remarkGfm from "remark-gfm";
import button from "./button.module.css";
import styles from "./part.module.css";

const json = (value: unknown) => (value === undefined ? undefined : JSON.stringify(value, null, 2));

/** Approves or denies a tool call. */
export type AnswerTool = (approvalId: string, approved: boolean) => void;

/** A part of a message; null for parts that are not for the reader. */
export function Part({
  part,
  isUser,
  onAnswerTool,
}: {
  part: JourneyMessage["parts"][number];
  isUser: boolean;
  onAnswerTool: AnswerTool | undefined;
}) {
  if (part.type === "text") {
    if (isUser) return <p className={styles.plain}>{part.text}</p>;
    return (
      <div className={styles.prose}>
        {/* No images: they would be loaded from any URL that the model writes. */}
        <Markdown remarkPlugins={[remarkGfm]} disallowedElements={["img"]}>
          {part.text}
        </Markdown>
      </div>
    );
  }
  if (part.type === "reasoning") {
    return (
      <details className={styles.aside} open={part.state === "streaming"}>
        <summary>Reasoning</summary>
        <p className={styles.plain}>{part.text}</p>
      </details>
    );
  }
  if (part.type.startsWith("tool-") || part.type === "dynamic-tool") {
    return <ToolCall part={part} onAnswer={onAnswerTool} />;
  }
  return null;
}

const WITHOUT_RESULT: Record<string, string> = {
  "approval-requested": "Waits for you",
  "approval-responded": "No answer yet",
  "output-denied": "You did not allow it",
};

function ToolCall({
  part,
  onAnswer,
}: {
  part: JourneyMessage["parts"][number];
  onAnswer: AnswerTool | undefined;
}) {
  const name = part.toolName ?? part.type.slice("tool-".length);
  const found = part.errorText ?? json(part.output);
  return (
    <section className={styles.aside} aria-label={`Tool: ${name}`}>
      <h3>Tool: {name}</h3>
      <dl>
        <dt>Asked</dt>
        <dd>
          <pre>{json(part.input)}</pre>
        </dd>
        <dt>Found</dt>
        <dd>{found === undefined ? (WITHOUT_RESULT[part.state] ?? "No answer") : <pre>{found}</pre>}</dd>
      </dl>
      {part.state === "approval-requested" && onAnswer && (
        <div className={styles.choice}>
          <button type="button" className={button.primary} onClick={() => onAnswer(part.approval.id, true)}>
            Allow
          </button>
          <button type="button" className={button.button} onClick={() => onAnswer(part.approval.id, false)}>
            Do not allow
          </button>
        </div>
      )}
    </section>
  );
}
