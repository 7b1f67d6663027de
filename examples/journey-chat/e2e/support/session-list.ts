import { expect, vi } from "vitest";
import { type Stored, store } from "./rows.js";
import type { Scene } from "./scene.js";
import type { Tab } from "./tab.js";

const DAY = 86_400_000;

/**
 * Stores sessions, a day apart.
 *
 * @param more what the nth has besides, from the newest on
 * @returns their titles, the newest first
 */
export async function storeMany(
  { sql }: Scene,
  count: number,
  more: (n: number) => Stored = () => ({}),
): Promise<string[]> {
  const titles = Array.from({ length: count }, (_, n) => `Session ${String(n + 1).padStart(2, "0")}`);
  const newest = Date.UTC(2026, 0, 1) + count * DAY;
  for (const [n, title] of titles.entries()) {
    await store(sql, { title, createdAt: new Date(newest - n * DAY), ...more(n) });
  }
  return titles;
}

/** The titles in the list, from the top. */
export const listed = async (tab: Tab) =>
  (await tab.items.allInnerTexts()).map((text) => text.split("\n")[0]?.trim());

/** Until that many of the titles are listed, from the first on, or more: a scroll may load several pages. */
export const listsFrom = (tab: Tab, titles: readonly (string | undefined)[], atLeast: number) =>
  vi.waitFor(
    async () => {
      const shown = await listed(tab);
      expect(shown.length).toBeGreaterThanOrEqual(atLeast);
      expect(shown).toEqual(titles.slice(0, shown.length));
    },
    { timeout: 15_000 },
  );

export async function scrollToEnd(tab: Tab): Promise<void> {
  await tab.items.last().hover();
  await tab.page.mouse.wheel(0, 100_000);
}
