import { expect, test } from "vitest";
import { conversation, outline, store } from "./support/rows.js";
import { inBrowser } from "./support/scene.js";

test(
  "a session that has its messages in the column is shown, and the next message moves it into rows",
  inBrowser(async ({ open, sql, rows }) => {
    const tab = await open(`/journey/${await store(sql, { layout: "column", messages: conversation(40) })}`);
    await tab.has(30);
    const layouts = () => sql`select jsonb_typeof(messages) as kept from journey_sessions`;
    expect(await layouts()).toEqual([{ kept: "array" }]);
    await tab.ask("And another");
    await expect.poll(async () => (await rows())[0]?.messages.length).toBe(42);
    const messages = (await rows())[0]?.messages ?? [];
    expect(messages.slice(0, 40)).toEqual(conversation(40));
    expect(outline(messages).slice(-32)).toEqual(await tab.shown());
    expect(await layouts()).toEqual([{ kept: "object" }]);
  }),
);
