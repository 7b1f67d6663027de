import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { serve } from "@hono/node-server";
import { simulateReadableStream, streamText } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import express from "express";
import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorResponse, startTurn, turnRequest } from "../../src/ai-sdk.js";
import { JourneyDbError } from "../../src/index.js";
import { migratedDatabase, openPostgresJs } from "../support/database.js";
import { text } from "../support/messages.js";
import { openFor } from "../support/turn.js";

const db = openPostgresJs(await migratedDatabase());
const { sessions } = openFor(db);
const MIB = 1024 * 1024;
type Body = string | ReadableStream<Uint8Array>;

/** A model that says hello. */
const answer = (messages: { role: string }[]) =>
  streamText({
    prompt: `${messages.length}`,
    model: new MockLanguageModelV3({
      doStream: async () => ({
        stream: simulateReadableStream({
          chunks: [
            { type: "stream-start", warnings: [] },
            { type: "text-start", id: "t" },
            { type: "text-delta", id: "t", delta: "Hello" },
            { type: "text-end", id: "t" },
            {
              type: "finish",
              finishReason: { unified: "stop", raw: undefined },
              usage: {
                inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
                outputTokens: { total: 1, text: 1, reasoning: 0 },
              },
            },
          ],
        }),
      }),
    }),
  });

/** The error of the last request whose connection was lost while its body arrived. */
let refused: (error: unknown) => void = () => {};

async function onNode(request: IncomingMessage & { body?: unknown }, response: ServerResponse) {
  try {
    const turn = await startTurn(sessions, request.url?.slice(1) ?? "", request);
    answer(turn.messages).pipeUIMessageStreamToResponse(response, turn.response);
  } catch (error) {
    refused(error);
    const said = errorResponse(error);
    response.writeHead(said.status, { "content-type": "application/json" }).end(await said.text());
  }
}

const hono = new Hono().post("/:id", async (context) => {
  try {
    const turn = await startTurn(sessions, context.req.param("id"), context.req.raw);
    return answer(turn.messages).toUIMessageStreamResponse(turn.response);
  } catch (error) {
    return errorResponse(error);
  }
});

const parsing = express()
  .use(express.json({ limit: "8mb" }))
  .post("/:id", (request, response) => onNode(request, response));
const asText = express()
  .use(express.text({ type: "*/*", limit: "8mb" }))
  .post("/:id", onNode);

const SERVERS: Record<string, () => Server> = {
  "node:http": () => createServer(onNode).listen(0, "127.0.0.1"),
  Express: () => express().post("/:id", onNode).listen(0, "127.0.0.1"),
  "Express with express.json()": () => parsing.listen(0, "127.0.0.1"),
  "Express with express.text()": () => asText.listen(0, "127.0.0.1"),
  Hono: () => serve({ fetch: hono.fetch, port: 0, hostname: "127.0.0.1" }) as Server,
};

describe.each(Object.keys(SERVERS))("startTurn behind %s", (name) => {
  let server: Server;
  let port: number;

  beforeAll(async () => {
    server = (SERVERS[name] as () => Server)();
    if (!server.listening) await once(server, "listening");
    ({ port } = server.address() as { port: number });
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });

  const post = (id: string, body: Body, type = "application/json") =>
    fetch(`http://127.0.0.1:${port}/${id}`, {
      method: "POST",
      // A server may close a connection whose request it refused before it had ended.
      headers: { "content-type": type, connection: "close" },
      body,
      duplex: "half",
    } as RequestInit);
  /** As a page sends it. */
  const turnOf = (id: string, words = "é€😀") =>
    JSON.stringify(
      turnRequest({
        id,
        messages: [text("m1", words)],
        trigger: "submit-message",
        body: {},
        messageId: undefined,
      }).body,
    );

  test("stores the question and the answer", async () => {
    const id = crypto.randomUUID();
    const response = await post(id, turnOf(id));
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('"delta":"Hello"');
    const messages = (await sessions.get(id))?.messages;
    expect(messages?.map(({ role }) => role)).toEqual(["user", "assistant"]);
    expect(messages?.[0]?.parts).toEqual([{ type: "text", text: "é€😀" }]);
  });

  test.each([
    ["of a known length", (json: string): Body => json],
    [
      "in pieces",
      (json: string): Body => {
        const bytes = new TextEncoder().encode(json);
        let sent = 0;
        return new ReadableStream({
          pull(controller) {
            if (sent >= bytes.length) return controller.close();
            controller.enqueue(bytes.subarray(sent, sent + 64 * 1024));
            sent += 64 * 1024;
          },
        });
      },
    ],
  ])("refuses more than 4 MiB, %s", async (how, bodyOf) => {
    const id = crypto.randomUUID();
    const response = await post(id, bodyOf(turnOf(id, "x".repeat(5 * MIB))));
    // Without a content length, only the limit of the parser applies.
    const isCounted = name !== "Express with express.json()" || how === "of a known length";
    expect(response.status).toBe(isCounted ? 413 : 200);
    if (isCounted) {
      const message = "request: expected at most 4194304 bytes";
      expect(await response.json()).toEqual({ code: "too_large", message });
      expect(await sessions.get(id)).toBeNull();
    } else await response.text();
  });

  test.each([
    ["of another type", "text/plain", "{}", "request: expected the content type application/json"],
    ["without a turn in it", "application/json", "{}", "request.message: expected object"],
  ])("refuses a request %s", async (_, type, body, message) => {
    const id = crypto.randomUUID();
    const response = await post(id, body, type);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "invalid_input", message });
  });

  test("goes on after a request that was broken off", async () => {
    const id = crypto.randomUUID();
    const ended = new Promise((resolve) => {
      refused = resolve;
    });
    const accepted = once(server, "request");
    const socket: Socket = connect(port, "127.0.0.1");
    socket.write(
      `POST /${id} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"message":`,
    );
    await accepted;
    socket.destroy();
    if (name === "node:http" || name === "Express") {
      const error = await ended;
      expect(error).toBeInstanceOf(JourneyDbError);
      expect(error).toMatchObject({
        code: "invalid_input",
        message: "request: expected a body that can be read, once",
      });
    }
    const next = crypto.randomUUID();
    expect((await post(next, turnOf(next))).status).toBe(200);
    expect(await sessions.get(id)).toBeNull();
  });
});

test.each([[undefined], [null], ["{}"], [{}], [{ headers: null }]])("%j is no request", async (request) => {
  await expect(startTurn(sessions, crypto.randomUUID(), request as never)).rejects.toMatchObject({
    code: "invalid_input",
    message: "request: expected a Request, or the request of Node.js",
  });
});
