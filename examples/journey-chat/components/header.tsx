"use client";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { send, sessionPath } from "@/lib/api";
import type { SessionItem } from "@/lib/journey";
import styles from "./header.module.css";
import { useSessions } from "./use-sessions";

const PHASES = [
  { phase: "setup", name: "Setup" },
  { phase: "review", name: "Review" },
] as const;

export function Header({ session }: { session: SessionItem | undefined }) {
  return (
    <header className={styles.header}>
      <h1>{session?.title ?? "New chat"}</h1>
      {session && <PhaseSwitch session={session} />}
    </header>
  );
}

/** Changes the phase, only if the session is still in the phase that the page shows. */
function PhaseSwitch({ session: { id, phase: from } }: { session: SessionItem }) {
  const router = useRouter();
  const { refresh } = useSessions();
  const [failed, setFailed] = useState(false);

  async function move(phase: SessionItem["phase"]) {
    try {
      await send("PATCH", sessionPath(id), { phase, from });
      setFailed(false);
    } catch {
      setFailed(true);
    }
    await refresh();
    router.refresh();
  }

  return (
    <div className={styles.switch}>
      {failed && <span role="alert">It could not be moved.</span>}
      <div role="radiogroup" aria-label="Phase" className={styles.phases}>
        {PHASES.map(({ phase, name }) => (
          <label key={phase}>
            <input type="radio" name="phase" checked={phase === from} onChange={() => move(phase)} />
            {name}
          </label>
        ))}
      </div>
    </div>
  );
}
