"use client";
import type { Phase } from "@/lib/journey";
import { PHASES } from "./phases";
import { useSessions } from "./use-sessions";
import styles from "./view-switch.module.css";

/** Chooses which sessions the list shows. */
export function ViewSwitch() {
  const { view, setView } = useSessions();
  return (
    <div className={styles.switch}>
      <select
        aria-label="Sessions in phase"
        value={view.phase ?? ""}
        onChange={({ target }) => setView({ ...view, phase: (target.value as Phase) || undefined })}
      >
        <option value="">All phases</option>
        {PHASES.map(({ phase, name }) => (
          <option key={phase} value={phase}>
            {name}
          </option>
        ))}
      </select>
      <button
        type="button"
        aria-pressed={view.archived}
        onClick={() => setView({ ...view, archived: !view.archived })}
      >
        Archived
      </button>
    </div>
  );
}
