import type { JourneyMessage } from "@aigos/journey-db/messages";
import Markdown from "react-markdown";
import remarkGfm from "remark-gfm";
import styles from "./part.module.css";

const json = (value: unknown) => (value === undefined ? undefined : JSON.stringify(value, null, 2));

/** Any part of a message; those that a reader need not see are left out. */
export function Part({ part, isUser }: { part: JourneyMessage["parts"][number]; isUser: boolean }) {
  if (part.type === "text") {
    if (isUser) return <p className={styles.plain}>{part.text}</p>;
    return (
      <div className={styles.prose}>
        {/* A picture would be fetched from wherever the model, or what it has read, says. */}
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
  if (part.type.startsWith("tool-") || part.type === "dynamic-tool") return <ToolCall part={part} />;
  return null;
}

function ToolCall({ part }: { part: JourneyMessage["parts"][number] }) {
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
        <dd>{found === undefined ? "No answer" : <pre>{found}</pre>}</dd>
      </dl>
    </section>
  );
}
