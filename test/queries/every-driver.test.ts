import { expect, it } from "vitest";
import { all } from "../support/answer.js";
import { newUser } from "../support/database.js";
import { onEveryDriver, onEveryTable } from "../support/drivers.js";
import { text } from "../support/messages.js";

onEveryTable((database, { cases, conversation }, forUser) => {
  it.each(cases)("$name works", async ({ call }) => {
    const sessions = forUser(database(), newUser());
    await call(sessions, await conversation(sessions));
  });
});

onEveryDriver((database, { forUser }) => {
  it("search and export return what is stored", async () => {
    const sessions = forUser(database(), newUser());
    const content = "It's 1½ € \\ 100% 'INVOICE' 😀";
    const session = await sessions.create({ messages: [text("m1", content)], metadata: { n: 1.5e300 } });
    const [hit, ...others] = await sessions.search("% 'invoice' 😀");
    const { messages, ...summary } = session;
    expect(others).toEqual([]);
    expect(hit).toEqual({
      session: summary,
      messageId: "m1",
      excerpt: { before: "It's 1½ € \\ 100", match: "% 'INVOICE' 😀", after: "" },
    });
    expect(await all(sessions.export())).toEqual([session]);
  });
});
