import styles from "./greeting.module.css";

const SUGGESTIONS = [
  "Think about a weekend in Lyon",
  "What is the weather in Lyon?",
  "Book a table for two",
  "Write a long story",
  "Fail half-way",
  "Fail, but only once",
];

/** Shown in an empty chat. It is part of the page and is not stored. */
export function Greeting({ onChoose }: { onChoose: (text: string) => void }) {
  return (
    <div className={styles.greeting}>
      <h2>Where shall we start?</h2>
      <p>Ask anything. This chat is kept from your first message on, for you alone.</p>
      <div className={styles.suggestions}>
        {SUGGESTIONS.map((text) => (
          <button key={text} type="button" onClick={() => onChoose(text)}>
            {text}
          </button>
        ))}
      </div>
    </div>
  );
}
