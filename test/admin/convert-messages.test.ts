import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type ConvertMessagesOptions,
  type ConvertMessagesProgress,
  convertLayout,
  convertMessages,
} from "../../src/admin.js";
import { fromAiSdk4 } from "../../src/ai-sdk.js";
import type { Journey, JourneyMessage, JourneyMetadata } from "../../src/index.js";
import { messagesTable } from "../../src/message-rows.js";
import { isMessage } from "../../src/messages.js";
import type { Database } from "../../src/model/database.js";
import { journeySessions } from "../../src/schema-zod.js";
import { contentAlone, older, withParts } from "../support/ai-sdk-4.js";
import { newUser } from "../support/database.js";
import { onEveryDriver } from "../support/drivers.js";
import { errorOf, SECRET } from "../support/errors.js";
import { createMessages, LAYOUTS } from "../support/message-rows.js";
import { oddMessages, text, uiMessages } from "../support/messages.js";

const NOTHING = { sessions: 0, messages: 0, skipped: 0 };
const OLD = JSON.stringify([contentAlone[0]]);
const toolResult = (result: string) =>
  `{"id":"m1","role":"assistant","content":"","toolInvocations":[{"state":"result","toolCallId":"c1","toolName":"t","args":{},"result":${result}}]}`;

const isMarked = sql`jsonb_typeof(journey_sessions.messages) = 'object'`;
const rowsText = sql`select string_agg(message::text, ', ' order by appended_at, n) from journey_messages where session_id = journey_sessions.id`;
/** The stored messages as text, wherever they are. */
const TEXT = {
  column: sql<string>`messages::text`,
  rows: sql<string>`case when ${isMarked} then concat('[', (${rowsText}), ']') else messages::text end`,
};

onEveryDriver((database, { defineJourney }) => {
  describe.each(LAYOUTS)("%s", (layout) => {
    beforeAll(() => (layout === "rows" ? createMessages(database(), journeySessions) : undefined));
    messagesAreConverted(
      database,
      layout === "rows" ? defineJourney({ messages: messagesTable(journeySessions) }) : defineJourney(),
      layout,
    );
  });
});

function messagesAreConverted(
  database: () => Database,
  {
    forUser,
  }: Pick<
    Journey<JourneyMessage, JourneyMetadata, string, typeof journeySessions, "column" | "rows">,
    "forUser"
  >,
  layout: (typeof LAYOUTS)[number],
) {
  const table = sql.raw("alter table journey_sessions");
  const CHECKS = {
    user_id_not_empty: "user_id <> ''",
    messages_is_array:
      "jsonb_typeof(messages) = 'array' or jsonb_typeof(messages -> 'rows') is not distinct from 'number'",
    metadata_is_object: "jsonb_typeof(metadata) = 'object'",
  };

  // The call changes all sessions of the database, which is this file's own.
  beforeEach(async () => {
    await database().delete(journeySessions);
  });

  /** Stores conversations from JSON text, without validation, those whose messages have ids in the layout. Returns their ids. */
  async function stored(...conversations: string[]): Promise<string[]> {
    const ids = await storedInColumn(...conversations);
    if (layout === "rows") await convertLayout(database(), { to: "rows" });
    return ids;
  }

  async function storedInColumn(...conversations: string[]): Promise<string[]> {
    const ids: string[] = [];
    for (const messages of conversations) {
      const id = randomUUID();
      ids.push(id);
      await database().execute(
        sql`insert into journey_sessions (id, user_id, messages) values (${id}, ${newUser()}, ${messages}::text::jsonb)`,
      );
    }
    return ids;
  }

  /** All rows, exactly. */
  const rows = () =>
    database()
      .select({ id: journeySessions.id, all: sql<string>`journey_sessions::text || ${TEXT[layout]}` })
      .from(journeySessions)
      .orderBy(journeySessions.id);

  async function messagesOf(id = ""): Promise<string> {
    const [row] = await database()
      .select({ messages: TEXT[layout] })
      .from(journeySessions)
      .where(sql`id = ${id}`);
    return row?.messages ?? "";
  }

  async function watched(db: Database, options: ConvertMessagesOptions) {
    const told: ConvertMessagesProgress[] = [];
    const answer = await convertMessages(db, {
      ...options,
      onProgress: (progress) => void told.push(progress),
    });
    return { answer, told };
  }

  describe("what is converted", () => {
    it("each message of AI SDK 4 in its place, and nothing else", async () => {
      const mixed = [
        ...contentAlone,
        ...uiMessages,
        ...withParts,
        null,
        7,
        { id: "old" },
        ["x"],
        [{ role: "data", content: "x" }],
      ];
      const odd = oddMessages
        .map(({ message }) => message)
        .filter((message) => fromAiSdk4(message) === message);
      const [first, ...untouched] = await stored(
        ...[mixed, uiMessages, odd, [withParts[0]], []].map((messages) => JSON.stringify(messages)),
      );
      const before = await rows();
      expect(await convertMessages(database())).toEqual({ sessions: 1, messages: older.length, skipped: 0 });
      expect(JSON.parse(await messagesOf(first))).toEqual(
        mixed.map((message) => fromAiSdk4<unknown>(message)),
      );
      const after = await rows();
      for (const id of untouched)
        expect(after.find((row) => row.id === id)).toEqual(before.find((row) => row.id === id));
    });

    it("so that a chat shows all of them, and phase, metadata and the time of creation stay", async () => {
      const user = newUser();
      const sessions = forUser(database(), user);
      const { id, createdAt } = await sessions.create({ phase: "review", metadata: { title: "Tides" } });
      await database().update(journeySessions).set({ messages: older }).where(sql`id = ${id}`);
      await stored();
      const before = await sessions.get(id);
      await convertMessages(database());
      const after = await sessions.get(id);
      expect(after).toMatchObject({
        id,
        userId: user,
        phase: "review",
        metadata: { title: "Tides" },
        createdAt,
      });
      expect(after?.messages.filter(isMessage)).toHaveLength(older.length);
      expect(after?.revision).not.toBe(before?.revision);
    });

    it("once: repeated, it changes nothing", async () => {
      await stored(OLD, JSON.stringify(older));
      expect((await convertMessages(database())).sessions).toBe(2);
      const before = await rows();
      expect(await convertMessages(database())).toEqual(NOTHING);
      expect(await rows()).toEqual(before);
    });

    it("no number, whatever its size and form, nor any text or key", async () => {
      const result = `[12345678901234567890, -9007199254740993, 1.10, 100.00, 0.0, 1e-7, 0.1234567890123456789, 1e400, -${"9".repeat(400)}, 7, 0.5, -1e21,
        "\\"12345678901234567890\\\\", "1.10", "\\\\", {"1.10": 1.10, "__proto__": {"a": 2.0}}, "\\u2028 é 😀"]`;
      const data = `{"id":"m2","role":"data","content":"x","data":{"n":1.500}}`;
      const [id] = await stored(`[${toolResult(result)}, ${data}, ${JSON.stringify(text("m3"))}]`);
      await convertMessages(database());
      const [row] = await database()
        .select({
          result: sql<string>`(m #> '{0,parts,0,output}')::text`,
          same: sql<boolean>`(m #> '{0,parts,0,output}')::text = ${result}::text::jsonb::text`,
          data: sql<string>`(m #> '{1,parts,0,data}')::text`,
        })
        .from(sql`(select ${await messagesOf(id)}::text::jsonb as m) as stored`);
      expect(row).toMatchObject({ same: true, data: '{"n": 1.500}' });
      expect(row?.result).toContain("12345678901234567890");
    });

    it("no message that has the same number twice over is kept twice over", async () => {
      const call = `{"state":"result","toolCallId":"c1","toolName":"t","args":{},"result":1.10}`;
      const [id] = await stored(
        `[{"id":"m1","role":"assistant","content":"","toolInvocations":[${call}],"parts":[{"type":"tool-invocation","toolInvocation":${call}}]}]`,
      );
      await convertMessages(database());
      expect(await messagesOf(id)).not.toContain("aiSdk4");
    });

    it("messages with the same content and without an id get an id each", async () => {
      const [id] = await stored(JSON.stringify(Array(3).fill({ role: "user", content: "Yes" })));
      await convertMessages(database());
      const ids = JSON.parse(await messagesOf(id)).map((message: { id: string }) => message.id);
      const derived = fromAiSdk4<{ id?: string }>({ role: "user", content: "Yes" } as object).id;
      expect(ids).toEqual([derived, `${derived}-2`, `${derived}-2-2`]);
    });
  });

  describe("rows of any shape", () => {
    it("do not stop it: what cannot be written is counted, and left as it is", async () => {
      for (const check of Object.keys(CHECKS))
        await database().execute(sql`${table} drop constraint ${sql.raw(`journey_sessions_${check}`)}`);
      await stored(
        '"text"',
        "null",
        "7",
        '{"role": "data", "content": "x"}',
        '{"0": {"role": "user", "content": "x"}}',
      );
      await database().execute(sql`
        insert into journey_sessions (user_id, messages, metadata)
        values ('', ${OLD}::text::jsonb, '{}'), ('user_1', ${OLD}::text::jsonb, '[]'), ('user_1', ${OLD}::text::jsonb, '{}')`);
      for (const [check, holds] of Object.entries(CHECKS))
        await database().execute(
          sql`${table} add constraint ${sql.raw(`journey_sessions_${check}`)} check (${sql.raw(holds)}) not valid`,
        );
      const before = await rows();
      expect(await convertMessages(database(), { dryRun: true })).toEqual({
        sessions: 1,
        messages: 1,
        skipped: 2,
      });
      expect(await rows()).toEqual(before);
      expect(await convertMessages(database())).toEqual({ sessions: 1, messages: 1, skipped: 2 });
      const after = await rows();
      expect(after.filter((row, n) => row.all !== before[n]?.all)).toHaveLength(1);
      expect(await convertMessages(database())).toEqual({ ...NOTHING, skipped: 2 });
    });

    it("nested deep are converted, and left as they are beyond 2,000 levels", async () => {
      const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
      const MOST = 2000;
      // Above the result are what is read, its pair, the message, its calls and the call.
      const [first, second] = await stored(
        `[${toolResult(nested(MOST - 5))}]`,
        `[${toolResult(nested(MOST - 4))}]`,
      );
      const before = await messagesOf(second);
      expect(await convertMessages(database())).toEqual({ sessions: 1, messages: 1, skipped: 1 });
      expect(await messagesOf(first)).toContain('"output"');
      expect(await messagesOf(second)).toBe(before);
    });

    it("of some megabytes are converted", async () => {
      const data = "iVBORw0KGgo=".repeat(400_000);
      const attachment = {
        contentType: "image/png",
        url: `data:image/png;base64,${data.replaceAll("=", "A")}`,
      };
      const [id] = await stored(
        JSON.stringify([{ id: "m1", role: "user", content: "Look", experimental_attachments: [attachment] }]),
      );
      expect(await convertMessages(database())).toEqual({ sessions: 1, messages: 1, skipped: 0 });
      expect(JSON.parse(await messagesOf(id))[0].parts[1]).toMatchObject({
        type: "file",
        url: attachment.url,
      });
    });
  });

  describe("the walk", () => {
    it.each([1, 3, 20])("%i a statement: looks at each session once", async (batchSize) => {
      const conversations = Array.from({ length: 20 }, (_, n) =>
        n % 3 === 0 ? JSON.stringify(older) : "[]",
      );
      await stored(...conversations);
      const before = await rows();
      const dry = await watched(database(), { batchSize, dryRun: true });
      expect(await rows()).toEqual(before);
      const { answer, told } = await watched(database(), { batchSize });
      expect(answer).toEqual({ sessions: 7, messages: 7 * older.length, skipped: 0 });
      expect(dry).toEqual({ answer, told });
      expect(told.map(({ examined }) => examined)).toEqual(
        Array.from({ length: Math.ceil(20 / batchSize) }, (_, n) => Math.min(20, (n + 1) * batchSize)),
      );
      expect(told.at(-1)).toEqual({ ...answer, examined: 20 });
    });

    it("of nothing tells that there is nothing", async () => {
      expect(await watched(database(), {})).toEqual({ answer: NOTHING, told: [{ ...NOTHING, examined: 0 }] });
    });

    it("takes 100 a statement unless told otherwise", async () => {
      await database().execute(
        sql`insert into journey_sessions (user_id) select 'user_' || n from generate_series(1, 250) n`,
      );
      const { told } = await watched(database(), {});
      expect(told.map(({ examined }) => examined)).toEqual([100, 200, 250]);
    });
  });

  describe("the signal", () => {
    it("stops it between two sessions, and the call repeated does the rest", async () => {
      await stored(...Array(10).fill(OLD));
      const controller = new AbortController();
      const call = convertMessages(database(), {
        batchSize: 3,
        signal: controller.signal,
        onProgress: ({ sessions }) => void (sessions >= 6 && controller.abort()),
      });
      expect(await errorOf(call)).toMatchObject({
        code: "timeout",
        message: "The signal was aborted after 6 sessions were converted; the call may be repeated.",
        retryable: true,
      });
      expect((await convertMessages(database())).sessions).toBe(4);
      expect(await convertMessages(database())).toEqual(NOTHING);
    });

    it("already aborted, nothing is converted", async () => {
      await stored(OLD);
      const before = await rows();
      const call = convertMessages(database(), { signal: AbortSignal.abort() });
      expect(await errorOf(call)).toMatchObject({
        code: "timeout",
        message: expect.stringContaining(" after 0 sessions"),
      });
      expect(await rows()).toEqual(before);
    });

    it("stops a dry run, which has converted nothing", async () => {
      await stored(OLD, OLD);
      const controller = new AbortController();
      const call = convertMessages(database(), {
        ...{ batchSize: 1, dryRun: true, signal: controller.signal },
        onProgress: () => controller.abort(),
      });
      expect((await errorOf(call)).message).toContain(" after 0 sessions were converted");
    });
  });

  it("an onProgress that fails ends the call with invalid_input, and what was converted stays so", async () => {
    await stored(OLD, OLD);
    const onProgress = async () => {
      throw new Error(SECRET);
    };
    expect(await errorOf(convertMessages(database(), { batchSize: 1, onProgress }))).toMatchObject({
      code: "invalid_input",
      message: expect.stringMatching(
        /^options\.onProgress: threw an error; what was converted stays converted/,
      ),
    });
    expect((await convertMessages(database())).sessions).toBe(1);
  });

  it.each([
    [{ batchSize: 0 }, /^options\.batchSize: expected /],
    [{ batchSize: 10_001 }, /^options\.batchSize: expected /],
    [{ batchSize: "100" }, /^options\.batchSize: expected /],
    [{ signal: {} }, /^options\.signal: /],
    [{ onProgress: "log" }, /^options\.onProgress: expected function$/],
    [{ dryRun: 1 }, /^options\.dryRun: expected boolean$/],
    [{ timeoutMs: 0 }, /^options\.timeoutMs: expected at least 1$/],
    [{ dryrun: true }, /^options: has a key that is not expected here: "dryrun"$/],
    [null, /^options: expected object$/],
    [new Map(), /^options: expected object$/],
  ])("%o is refused, and nothing is converted", async (options, message) => {
    await stored(OLD);
    const before = await rows();
    expect(await errorOf(convertMessages(database(), options as never))).toMatchObject({
      code: "invalid_input",
      message: expect.stringMatching(message),
    });
    expect(await rows()).toEqual(before);
  });
}
