import { createRequire } from "node:module";
import { join } from "node:path";
import type { AxeResults } from "axe-core";
import type { JourneyMessage } from "../../../../src/index.js";
import { said } from "./rows.js";
import { DESKTOP, PHONE, type Visitor } from "./scene.js";
import type { Tab } from "./tab.js";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

export interface Look {
  name: string;
  phone: boolean;
  visitor: Visitor;
}

/** How the application can look: on a desktop and a phone, light and dark. Without motion, which axe would see half-way. */
export const LOOKS: Look[] = [false, true].flatMap((phone) =>
  (["light", "dark"] as const).map((colorScheme) => ({
    name: `${phone ? "phone" : "desktop"}-${colorScheme}`,
    phone,
    visitor: { ...(phone ? PHONE : DESKTOP), colorScheme, reducedMotion: "reduce" },
  })),
);

/** The rules that the page breaks seriously, and where. */
export async function seriousViolations({ page }: Tab): Promise<string[]> {
  await page.addScriptTag({ path: AXE });
  const { violations } = await page.evaluate(() =>
    (window as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}\n${node.failureSummary}`));
}

/** Keeps a picture of the page in the folder SCREENSHOTS, where there is one. */
export async function photograph({ page }: Tab, name: string): Promise<void> {
  const folder = process.env.SCREENSHOTS;
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`), animations: "disabled" });
}

const answer = (id: string, parts: JourneyMessage["parts"], metadata = {}): JourneyMessage => ({
  id,
  role: "assistant",
  parts,
  metadata,
});

/** A conversation with all that answers can have. */
export const RICH: JourneyMessage[] = [
  said("user", "m1", "Think about a weekend in Lyon, and tell me how you would plan it."),
  answer("m2", [
    { type: "step-start" },
    { type: "reasoning", text: "Two days, so one theme a day.", state: "done" },
    {
      type: "text",
      state: "done",
      text: 'Two days are enough for **both rivers**:\n\n1. Saturday: the old town\n2. Sunday: the [park](https://example.org)\n\n> Go early.\n\n| Day | Where |\n| --- | --- |\n| Saturday | Croix-Rousse |\n\n```ts\nconst days = ["Saturday", "Sunday"];\n```\n\nUse `days` as you like.',
    },
  ]),
  said("user", "m3", "What is the weather in Lyon?"),
  answer("m4", [
    { type: "step-start" },
    {
      type: "tool-weather",
      toolCallId: "call-1",
      state: "output-available",
      input: { city: "Lyon" },
      output: { city: "Lyon", sky: "clear", celsius: 21 },
    },
    { type: "step-start" },
    { type: "text", state: "done", text: "It is 21 degrees in Lyon under a clear sky." },
  ]),
  said("user", "m5", "And a story?"),
  answer("m6", [{ type: "text", state: "done", text: "The ferryman counted the lamps" }], {
    interrupted: "stopped",
  }),
  said("user", "m7", "Another one?"),
  answer("m8", [{ type: "text", state: "done", text: "Happy to help. Nothing" }], { interrupted: "failed" }),
];
