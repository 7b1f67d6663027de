"use client";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { send, sessionPath } from "@/lib/api";
import type { SessionItem } from "@/lib/journey";
import styles from "./header.module.css";
import { PHASES } from "./phases";
import { useSessions } from "./use-sessions";

interface Moved {
  onMoved: (session: SessionItem) => void;
}

export function Header({ session, onMoved }: Moved & { session: SessionItem | undefined }) {
  return (
    <header className={styles.header}>
      <h1>{session?.title ?? "New chat"}</h1>
      {session && <PhaseSwitch session={session} onMoved={onMoved} />}
    </header>
  );
}

/** Changes the phase, only if the session is still in the phase that the page shows. */
function PhaseSwitch({ session, onMoved }: Moved & { session: SessionItem }) {
  const { id, phase: from } = session;
  const router = useRouter();
  const { refresh } = useSessions();
  const [failed, setFailed] = useState(false);

  async function move(phase: SessionItem["phase"]) {
    try {
      await send("PATCH", sessionPath(id), { phase, from });
      setFailed(false);
      onMoved({ ...session, phase });
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
