import { useChat } from "@ai-sdk/react";
import * as v6 from "ai";
import * as v5 from "ai5";
import * as v7 from "ai7";
import { describe, expectTypeOf, test } from "vitest";
import { startTurn, titleOf, turnRequest, turnsOf } from "../../src/ai-sdk.js";
import { defineJourney, forUser, type JourneyMessage } from "../../src/index.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions } from "../../src/schema.js";

declare const db: Parameters<typeof forUser>[0];
declare const request: Request;

interface Metadata {
  model?: string;
}
type Data = { sources: { url: string } };
type Own6 = v6.UIMessage<Metadata, Data>;

describe("without a cast, in each version of the AI SDK", () => {
  test("a turn goes from the handle to the model and back", async () => {
    const turn = await startTurn(forUser(db, "user_1"), "id", request, { title: titleOf });
    expectTypeOf(turn.messages).toEqualTypeOf<JourneyMessage[]>();
    const model = "openai/gpt-5";
    v5.streamText({ model, messages: v5.convertToModelMessages(turn.messages) }).toUIMessageStreamResponse(
      turn.response,
    );
    v6.streamText({
      model,
      messages: await v6.convertToModelMessages(turn.messages),
    }).toUIMessageStreamResponse(turn.response);
    v7.streamText({
      model,
      messages: await v7.convertToModelMessages(turn.messages),
    }).toUIMessageStreamResponse({
      ...turn.response,
      sendReasoning: false,
    });
  });

  test("a turn takes a handle of either layout; with messages in rows, nothing counts bytes", async () => {
    const inColumn = await startTurn(forUser(db, "user_1"), "id", request);
    expectTypeOf((await inColumn.stored)?.bytes).toEqualTypeOf<number | undefined>();
    const rows = defineJourney({ messages: messagesTable(journeySessions) }).forUser(db, "user_1");
    const inRows = await startTurn(rows, "id", request);
    expectTypeOf<NonNullable<Awaited<typeof inRows.stored>>>().not.toHaveProperty("bytes");
  });

  test("an application's own message type stays its own", async () => {
    const schema = {} as import("zod").ZodType<Own6, Own6>;
    const journey = defineJourney({ message: schema, phases: ["setup", "review"] });
    const turn = await startTurn(journey.forUser(db, "user_1"), "id", request, {
      title: (message) => {
        expectTypeOf(message).toEqualTypeOf<Own6>();
        return message.metadata?.model;
      },
    });
    expectTypeOf(turn.messages).toEqualTypeOf<Own6[]>();
    v6.streamText({
      model: "m",
      messages: await v6.convertToModelMessages(turn.messages),
    }).toUIMessageStreamResponse(turn.response);
  });

  test("a transport takes turnRequest", () => {
    new v5.DefaultChatTransport({ api: "/api", prepareSendMessagesRequest: turnRequest });
    new v6.DefaultChatTransport({ api: "/api", prepareSendMessagesRequest: turnRequest });
    new v6.DefaultChatTransport<Own6>({ api: "/api", prepareSendMessagesRequest: turnRequest });
    new v7.DefaultChatTransport({ api: "/api", prepareSendMessagesRequest: turnRequest });
  });

  test("turnsOf takes a chat, and its turns take what the chat sends", () => {
    const hook = turnsOf(useChat());
    expectTypeOf(hook.edit).toBeCallableWith("m1", { text: "Hello" });
    // @ts-expect-error a chat sends no numbers
    expectTypeOf(hook.edit).toBeCallableWith("m1", 1);
    const own = turnsOf(useChat<Own6>());
    expectTypeOf(own.edit).toBeCallableWith("m1", { text: "Hello", metadata: { model: "m" } });
    turnsOf({} as v5.AbstractChat<v5.UIMessage>);
    turnsOf({} as v6.AbstractChat<v6.UIMessage>);
    turnsOf({} as v7.AbstractChat<v7.UIMessage>);
  });
});
