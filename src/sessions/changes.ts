import { JourneyDbError } from "../model/errors.js";
import type { Listener } from "../model/listener.js";

/** The channel of the triggers' notifications. Their text is a session's id, with `+` for a batch of a reply. */
const CHANNEL = "journey_db";
const BATCH = "+";

/** How many of a user's calls wait for changes at once, at most, in one process. */
const MOST_READERS = 100;
/** Milliseconds for which a connection that nobody needs stays open: another page may be opened. */
const LINGER = 10_000;
/** Milliseconds between two looks: without a listener, and with one, whose notifications may be lost. */
const LOOKS = { session: { polling: 2_000, listening: 30_000 }, reply: { polling: 500, listening: 5_000 } };

type Wake = () => void;

/** Tells of the changes of one session. */
export interface Changes {
  /** Resolves when there may be one, at the latest after this many milliseconds, or when the signal is aborted. */
  next(atMost: number, signal?: AbortSignal | undefined): Promise<void>;
  end(): void;
}

interface Hub {
  /** Whether notifications arrive. */
  isListening(): boolean;
  add(session: string, wake: Wake): void;
  remove(session: string, wake: Wake): void;
}

const hubs = new WeakMap<Listener, Hub>();

/** The one connection of a listener, for all who wait. */
function hubOf(listener: Listener): Hub {
  const known = hubs.get(listener);
  if (known) return known;
  const waiting = new Map<string, Set<Wake>>();
  const wakeAll = () => {
    for (const wakes of waiting.values()) for (const wake of wakes) wake();
  };
  let listening = false;
  let opened: Promise<{ unlisten(): Promise<void> } | undefined> | undefined;
  let linger: ReturnType<typeof setTimeout> | undefined;
  const hub: Hub = {
    isListening: () => listening,
    add(session, wake) {
      clearTimeout(linger);
      waiting.set(session, (waiting.get(session) ?? new Set()).add(wake));
      opened ??= listener
        .listen(
          CHANNEL,
          (payload) => waiting.get(payload)?.forEach((wake) => void wake()),
          () => {
            listening = true;
            wakeAll();
          },
        )
        .catch(() => {
          // Looked for by polling until the next one comes.
          opened = undefined;
          return undefined;
        });
    },
    remove(session, wake) {
      const wakes = waiting.get(session);
      wakes?.delete(wake);
      if (wakes?.size === 0) waiting.delete(session);
      if (waiting.size > 0) return;
      clearTimeout(linger);
      linger = setTimeout(() => {
        const closing = opened;
        opened = undefined;
        listening = false;
        closing?.then((one) => one?.unlisten()).catch(() => {});
      }, LINGER).unref();
    },
  };
  hubs.set(listener, hub);
  return hub;
}

const readers = new Map<string, number>();

/**
 * Begins to wait for changes of a session. The caller looks at the session after that, and before each `next`.
 *
 * @param of what is waited for: the session and the state of its reply, or also each batch of that
 * @throws JourneyDbError unavailable if too many of the user's calls wait
 */
export function changesOf(
  listener: Listener | undefined,
  userId: string,
  session: string,
  of: keyof typeof LOOKS,
): Changes {
  const count = readers.get(userId) ?? 0;
  if (count >= MOST_READERS)
    throw new JourneyDbError(
      "unavailable",
      `Too many of the user's calls wait for changes: at most ${MOST_READERS} in one process. Nothing was sent.`,
      { retryable: true },
    );
  readers.set(userId, count + 1);

  const hub = listener && hubOf(listener);
  // As the server writes it.
  const id = session.toLowerCase();
  const names = of === "reply" ? [id, id + BATCH] : [id];
  let changed = false;
  let resume: Wake | undefined;
  const wake = () => {
    changed = true;
    resume?.();
  };
  for (const name of names) hub?.add(name, wake);

  return {
    async next(atMost, signal) {
      const { polling, listening } = LOOKS[of];
      const ms = Math.min(atMost, hub?.isListening() ? listening : polling);
      if (!changed && !signal?.aborted)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          signal?.addEventListener("abort", wake);
          resume = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      signal?.removeEventListener("abort", wake);
      resume = undefined;
      changed = false;
    },
    end() {
      for (const name of names) hub?.remove(name, wake);
      const left = (readers.get(userId) ?? 1) - 1;
      if (left > 0) readers.set(userId, left);
      else readers.delete(userId);
    },
  };
}
