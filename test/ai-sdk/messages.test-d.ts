import * as v6 from "ai";
import * as v5 from "ai5";
import * as v7 from "ai7";
import { assertType, describe, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { type Appended, type Database, defineJourney, forUser, type UserSessions } from "../../src/index.js";
import type { JourneySessionRow, NewJourneySessionRow } from "../../src/schema-zod.js";

type Meta = { model: string };
type Data = { chart: { points: number[] } };
type Tools = { search: { input: { query: string }; output: { hits: number } } };

declare const db: Database;
declare const id: string;
const sessions = forUser(db, id);

/** The messages of every call that returns some. */
async function readAll<Message>(from: UserSessions<Message, object, string>): Promise<Message[][]> {
  const found = [await from.get(id), await from.latest(), await from.messages(id), await from.fork(id)];
  return found.map((one) => one?.messages ?? []);
}

describe("with ai v5", () => {
  type Own = v5.UIMessage<Meta, Data, Tools>;

  test("a UIMessage goes in without a cast", () => {
    const [one, many, own] = [{} as v5.UIMessage, [] as v5.UIMessage[], {} as Own];
    assertType<Promise<Appended>>(sessions.append(id, one, { create: true }));
    assertType(sessions.append(id, many));
    assertType(sessions.append(id, own));
    assertType(sessions.create({ messages: many }));
    assertType(sessions.replaceMessages(id, [own]));
    assertType<NewJourneySessionRow>({ userId: id, messages: many });
  });

  test("and comes out as one, for every reader of the AI SDK", async () => {
    for (const stored of await readAll(sessions)) {
      assertType<v5.UIMessage[]>(stored);
      assertType<Own[]>(stored);
      assertType(v5.convertToModelMessages(stored));
      assertType<v5.ChatInit<v5.UIMessage>>({ messages: stored });
      assertType<v5.ChatInit<Own>>({ messages: stored });
      v5.createUIMessageStream({ originalMessages: stored, execute() {} });
    }
    expectTypeOf<JourneySessionRow["messages"]>().toExtend<v5.UIMessage[]>();
  });

  test("a schema of the application's types every call", async () => {
    const own = defineJourney({ message: z.custom<Own>() }).forUser(db, id);
    assertType(own.append(id, {} as Own));
    for (const stored of await readAll(own)) {
      expectTypeOf(stored).toEqualTypeOf<Own[]>();
      assertType(v5.convertToModelMessages(stored));
      assertType<v5.ChatInit<Own>>({ messages: stored });
    }
    expectTypeOf(defineJourney<Own>().forUser(db, id)).toEqualTypeOf(own);
    // @ts-expect-error metadata of another application
    own.append(id, {} as v5.UIMessage<{ model: number }, Data, Tools>);
  });
});

describe("with ai v6", () => {
  type Own = v6.UIMessage<Meta, Data, Tools>;

  test("a UIMessage goes in without a cast", () => {
    const [one, many, own] = [{} as v6.UIMessage, [] as v6.UIMessage[], {} as Own];
    assertType<Promise<Appended>>(sessions.append(id, one, { create: true }));
    assertType(sessions.append(id, many));
    assertType(sessions.append(id, own));
    assertType(sessions.create({ messages: many }));
    assertType(sessions.replaceMessages(id, [own]));
    assertType<NewJourneySessionRow>({ userId: id, messages: many });
  });

  test("and comes out as one, for every reader of the AI SDK", async () => {
    for (const stored of await readAll(sessions)) {
      assertType<v6.UIMessage[]>(stored);
      assertType<Own[]>(stored);
      assertType(v6.convertToModelMessages(stored));
      assertType<v6.ChatInit<v6.UIMessage>>({ messages: stored });
      assertType<v6.ChatInit<Own>>({ messages: stored });
      v6.createUIMessageStream({ originalMessages: stored, execute() {} });
    }
    expectTypeOf<JourneySessionRow["messages"]>().toExtend<v6.UIMessage[]>();
  });

  test("a schema of the application's types every call", async () => {
    const own = defineJourney({ message: z.custom<Own>() }).forUser(db, id);
    assertType(own.append(id, {} as Own));
    for (const stored of await readAll(own)) {
      expectTypeOf(stored).toEqualTypeOf<Own[]>();
      assertType(v6.convertToModelMessages(stored));
      assertType<v6.ChatInit<Own>>({ messages: stored });
    }
    expectTypeOf(defineJourney<Own>().forUser(db, id)).toEqualTypeOf(own);
    // @ts-expect-error metadata of another application
    own.append(id, {} as v6.UIMessage<{ model: number }, Data, Tools>);
  });
});

describe("with ai v7", () => {
  type Own = v7.UIMessage<Meta, Data, Tools>;

  test("a UIMessage goes in without a cast", () => {
    const [one, many, own] = [{} as v7.UIMessage, [] as v7.UIMessage[], {} as Own];
    assertType<Promise<Appended>>(sessions.append(id, one, { create: true }));
    assertType(sessions.append(id, many));
    assertType(sessions.append(id, own));
    assertType(sessions.create({ messages: many }));
    assertType(sessions.replaceMessages(id, [own]));
    assertType<NewJourneySessionRow>({ userId: id, messages: many });
  });

  test("and comes out as one, for every reader of the AI SDK", async () => {
    for (const stored of await readAll(sessions)) {
      assertType<v7.UIMessage[]>(stored);
      assertType<Own[]>(stored);
      assertType(v7.convertToModelMessages(stored));
      assertType<v7.ChatInit<v7.UIMessage>>({ messages: stored });
      assertType<v7.ChatInit<Own>>({ messages: stored });
      v7.createUIMessageStream({ originalMessages: stored, execute() {} });
    }
    expectTypeOf<JourneySessionRow["messages"]>().toExtend<v7.UIMessage[]>();
  });

  test("a schema of the application's types every call", async () => {
    const own = defineJourney({ message: z.custom<Own>() }).forUser(db, id);
    assertType(own.append(id, {} as Own));
    for (const stored of await readAll(own)) {
      expectTypeOf(stored).toEqualTypeOf<Own[]>();
      assertType(v7.convertToModelMessages(stored));
      assertType<v7.ChatInit<Own>>({ messages: stored });
    }
    expectTypeOf(defineJourney<Own>().forUser(db, id)).toEqualTypeOf(own);
    // @ts-expect-error metadata of another application
    own.append(id, {} as v7.UIMessage<{ model: number }, Data, Tools>);
  });
});
