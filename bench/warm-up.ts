import type { Entrant } from "./entrant.js";
import type { Texts } from "./texts.js";
import { newSession } from "./workloads.js";

const ROUNDS = { full: 600, quick: 40 };

/**
 * Makes every call of every contestant many times before anything is measured, so that V8 has compiled them,
 * as in a server that has run for a while. The first calls of a process are measured by the cold starts.
 */
export async function warmUp(entrants: readonly Entrant[], texts: Texts, quick: boolean): Promise<void> {
  for (let n = 0; n < ROUNDS[quick ? "quick" : "full"]; n++) {
    const [user, assistant] = texts.turn("prose");
    for (const { direct: store } of entrants) {
      const session = newSession();
      await store.first?.(session, texts.turn("prose")[0]);
      await store.turn?.(session, user, assistant);
      await store.open?.(session);
      await store.last?.(session);
      await store.list?.(session.userId);
      await store.merge?.(session, { answer: texts.sentence() });
    }
  }
  for (const entrant of entrants) await entrant.clear();
}
