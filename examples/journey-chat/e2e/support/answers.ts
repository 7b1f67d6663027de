import { expect } from "vitest";
import type { JourneyMessage } from "../../../../src/index.js";
import { outline, type Row, words } from "./rows.js";
import type { Scene } from "./scene.js";
import type { Tab } from "./tab.js";

const flat = (parts: string[]) => words(parts.join(" "));

/** The reasoning, tool calls and texts of a message, as words. */
export const flatOf = (message: JourneyMessage) =>
  flat(
    message.parts.flatMap((part) => {
      // The numbers of a list are no text on the page.
      if (part.type === "text" || part.type === "reasoning") return [part.text.replace(/^\d+\. /gm, "")];
      return part.type.startsWith("tool-") ? [`[${part.type.slice("tool-".length)}]`] : [];
    }),
  );

/** What the page shows of them, also what is folded up; empty without the message. */
export const flatShown = async (tab: Tab, place = 1) =>
  flat(
    await tab.messages
      .nth(place)
      .locator("> div")
      .first()
      .evaluate((content) =>
        [...content.children].map((part) =>
          part.tagName === "SECTION"
            ? `[${part.getAttribute("aria-label")?.slice("Tool: ".length)}]`
            : ((part.querySelector("summary ~ p") ?? part).textContent ?? ""),
        ),
      )
      .catch(() => []),
  );

export const messagesOf = async (rows: Scene["rows"]) => (await rows())[0]?.messages ?? [];

/** The answer at the place, once it is stored. */
export async function stored(rows: () => Promise<Row[]>, place = 1): Promise<JourneyMessage> {
  await expect.poll(async () => (await messagesOf(rows)).length, { timeout: 30_000 }).toBe(place + 1);
  return (await messagesOf(rows))[place] as JourneyMessage;
}

/** The tab shows the stored conversation, each message once, and no more. */
export async function showsStored(tab: Tab, rows: Scene["rows"]) {
  await tab.idle();
  const messages = await messagesOf(rows);
  await expect.poll(() => tab.shown()).toEqual(outline(messages));
  const last = messages.at(-1) as JourneyMessage;
  await expect.poll(() => flatShown(tab, messages.length - 1)).toBe(flatOf(last));
}
