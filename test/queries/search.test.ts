import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { newUser } from "../support/database.js";
import { clockMoves, onOneDriver } from "../support/drivers.js";
import { nastyStrings, text } from "../support/messages.js";

onOneDriver((database, { forUser }) => {
  const newSessions = () => forUser(database(), newUser());

  /** Whether a message of that text is found by this one. */
  async function finds(content: string, asked: string) {
    const sessions = newSessions();
    await sessions.create({ messages: [text("m1", content)] });
    const [hit] = await sessions.search(asked);
    return hit?.excerpt;
  }

  it("a hit has the session's summary, the message and the match as it was written", async () => {
    const sessions = newSessions();
    const { messages, ...summary } = await sessions.create({
      messages: [text("m1"), text("m2", "Where is the INVOICE of May?")],
      metadata: { title: "Papers" },
    });
    expect(await sessions.search("invoice of")).toEqual([
      {
        session: summary,
        messageId: "m2",
        excerpt: { before: "Where is the ", match: "INVOICE of", after: " May?" },
      },
    ]);
  });

  it("one hit a session, of its newest message, and in that of the first part and the first place", async () => {
    const sessions = newSessions();
    const parts = ["1st text", "2nd Text text", "3rd text"].map((content) => ({
      type: "text",
      text: content,
    }));
    await sessions.create({
      messages: [text("m1"), { id: "m2", role: "assistant", parts: parts.slice(1) }, text("m3", "none")],
    });
    expect(await sessions.search("TEXT")).toMatchObject([
      { messageId: "m2", excerpt: { before: "2nd ", match: "Text", after: " text" } },
    ]);
  });

  it("newest created first, as many as asked for", async () => {
    const sessions = newSessions();
    const ids: string[] = [];
    for (const n of [1, 2, 3]) {
      const { id } = await sessions.create({ messages: [text(`m${n}`, n === 2 ? "other" : "wanted")] });
      ids.unshift(id);
      await clockMoves(database());
    }
    const found = async (limit?: number) =>
      (await sessions.search("wanted", { limit })).map(({ session }) => session.id);
    expect(await found()).toEqual([ids[0], ids[2]]);
    expect(await found(1)).toEqual([ids[0]]);
  });

  it("20 sessions unless asked otherwise, at most 100", async () => {
    const sessions = newSessions();
    for (let n = 0; n < 21; n++) await sessions.create({ messages: [text("m1")] });
    expect(await sessions.search("text")).toHaveLength(20);
    expect(await sessions.search("text", { limit: 100 })).toHaveLength(21);
    await expect(sessions.search("text", { limit: 101 })).rejects.toMatchObject({
      code: "invalid_input",
      message: "options.limit: expected at most 100",
    });
  });

  it("only what is the user's own", async () => {
    await newSessions().create({ messages: [text("m1", "a secret of somebody else")] });
    expect(await newSessions().search("secret")).toEqual([]);
  });

  it("only the text of text parts, whatever else holds it", async () => {
    const sessions = newSessions();
    await sessions.create({
      messages: [
        {
          id: "needle",
          role: "assistant",
          parts: [
            { type: "reasoning", text: "needle" },
            { type: "tool-needle", input: { needle: "needle" }, output: ["needle"] },
            { type: "data-x", data: { type: "text", text: "needle" } },
            { type: "text", text: "hay", needle: "needle" },
            { type: "text", text: { needle: "needle" } },
            { type: "text" },
          ],
          metadata: { needle: "needle" },
        },
      ],
      metadata: { needle: "needle" },
    });
    expect(await sessions.search("needle")).toEqual([]);
  });

  it("not across parts", async () => {
    const sessions = newSessions();
    const parts = ["one", "two"].map((content) => ({ type: "text", text: content }));
    await sessions.create({ messages: [{ id: "m1", role: "user", parts }] });
    expect(await sessions.search("onetwo")).toEqual([]);
  });

  const PATTERNS = [
    ...["%", "_", "\\", "\\\\", ".", ".*", "^", "$", "[a-z]", "(", "()", "a|b", "a{2}", "\\d", "\\m", "?"],
    ...[
      "***=",
      "***:",
      "(?i)",
      "(?x)",
      "[[:<:]]",
      "$.parts[*]",
      "$",
      "@",
      '"',
      "'",
      "$1",
      "{0}",
      " ",
      "\t",
      "\n",
    ],
  ];
  it.each(PATTERNS)("%j means itself", async (pattern) => {
    expect(await finds(`so ${pattern} it`, pattern)).toMatchObject({ match: pattern });
    expect(await finds("ab11 aa b1c", `${pattern}!`)).toBeUndefined();
    expect(await finds("ab11", `${pattern}1`)).toBeUndefined();
  });

  it("any text that can be stored is found again", async () => {
    const sessions = newSessions();
    const strings = nastyStrings.filter((one) => one !== "" && one.length <= 1000);
    expect(strings.length).toBeGreaterThan(50);
    const found: string[] = [];
    for (const content of strings) {
      const { id } = await sessions.create({ messages: [text("m1", content)] });
      const hits = await sessions.search(content, { limit: 1 });
      if (hits[0]?.session.id === id) found.push(content);
      await sessions.delete(id);
    }
    expect(found).toEqual(strings);
  });

  it.each([
    ["ÄÖÜ é", "äöü É"],
    ["Привет", "пРИВЕТ"],
    ["ΛΌΓΟΣ", "λόγος"],
    ["STRASSE", "strasse"],
  ])("%s is found by %s", async (content, asked) => {
    expect(await finds(`- ${content} -`, asked)).toEqual({ before: "- ", match: content, after: " -" });
  });

  it.each([
    ["straße", "strasse"],
    ["é", "e\u0301"],
    ["ﬁ", "fi"],
  ])("%s is another text than %s", async (content, asked) => {
    expect(await finds(content, asked)).toBeUndefined();
  });

  it("what is stored in place of U+0000 and lone surrogates is found by them", async () => {
    expect(await finds("a\0b\ud800c", "a\0B\udc00C")).toMatchObject({ match: "a\ufffdb\ufffdc" });
  });

  it("an excerpt has up to 80 characters on either side, and says where there is more", async () => {
    const side = "😀".repeat(80);
    expect(await finds(`${side}Needle${side}`, "needle")).toEqual({
      before: side,
      match: "Needle",
      after: side,
    });
    expect(await finds(`a${side}Needle${side}z`, "needle")).toEqual({
      before: `…${side}`,
      match: "Needle",
      after: `${side}…`,
    });
    expect(await finds(`${side}😀İ needle`, "NEEDLE")).toMatchObject({ match: "needle", after: "" });
  });

  it("a long text, and one in a long conversation", async () => {
    const sessions = newSessions();
    const asked = "Lorem ".repeat(200).slice(0, 1000);
    const messages = Array.from({ length: 300 }, (_, n) => text(`m${n}`, "ipsum ".repeat(200)));
    messages[17] = text("m17", `${"ipsum ".repeat(20_000)}${asked}`);
    await sessions.create({ messages });
    expect(await sessions.search(asked.toLowerCase())).toMatchObject([
      { messageId: "m17", excerpt: { match: asked } },
    ]);
  });

  it.each([
    ["", "text: expected at least 1 characters"],
    ["a".repeat(1001), "text: expected at most 1000 characters"],
    [7, "text: expected string"],
    [undefined, "text: expected string"],
  ])("%j is refused", async (given, message) => {
    await expect(newSessions().search(given as string)).rejects.toMatchObject({
      code: "invalid_input",
      message,
    });
  });

  describe("an older program's messages", () => {
    it("without a text as id are passed over, and one without parts does not stop it", async () => {
      const owner = newUser();
      const messages = [
        ...[text("m1", "wanted"), { ...text("", "wanted"), id: 7 }, "wanted", null, ["wanted"]],
        { id: "m5", parts: "wanted" },
      ];
      await database().execute(
        sql`insert into journey_sessions (user_id, messages) values (${owner}, ${JSON.stringify(messages)}::text::jsonb)`,
      );
      expect(await forUser(database(), owner).search("wanted")).toMatchObject([{ messageId: "m1" }]);
    });
  });
});
