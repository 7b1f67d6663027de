import { expect, test } from "vitest";
import { errorResponse, startTurn } from "../../src/ai-sdk.js";
import { migratedDatabase, openPostgresJs } from "../support/database.js";
import { text } from "../support/messages.js";
import { openFor, requestOf } from "../support/turn.js";

const db = openPostgresJs(await migratedDatabase());

const KIB = 1024;
const MIB = KIB * KIB;
const turnOf = (more: object = {}) => ({ message: text("m1"), after: null, ...more });

/** A request whose body arrives in pieces, and how many were read. */
function streamed(bytes: number, headers: Record<string, string> = {}) {
  const piece = new Uint8Array(64 * KIB).fill(32);
  let sent = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (sent >= bytes) return controller.close();
        sent += piece.length;
        controller.enqueue(piece);
      },
    },
    { highWaterMark: 0 },
  );
  const init = {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
    duplex: "half",
  };
  return { request: new Request("http://application/api", init as RequestInit), sent: () => sent };
}

test("no more of a request is read than is allowed: 4 MiB by default", async () => {
  const { id, sessions } = openFor(db);
  const { request, sent } = streamed(64 * MIB);
  const error = await startTurn(sessions, id, request).catch((error) => error);
  expect(error).toMatchObject({ code: "too_large", message: "request: expected at most 4194304 bytes" });
  expect(errorResponse(error).status).toBe(413);
  expect(sent()).toBeLessThanOrEqual(4 * MIB + 64 * KIB);
});

test("one that says how long it is is refused before anything is read", async () => {
  const { id, sessions } = openFor(db);
  const { request, sent } = streamed(64 * MIB, { "content-length": `${64 * MIB}` });
  await expect(startTurn(sessions, id, request)).rejects.toMatchObject({ code: "too_large" });
  expect(sent()).toBe(0);
});

test("keys beside the message count", async () => {
  const { id, sessions } = openFor(db);
  const body = turnOf(Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`k${n}`, n])));
  const limit = { maxBodyBytes: 1_000 };
  await expect(startTurn(sessions, id, requestOf(body), limit)).rejects.toMatchObject({ code: "too_large" });
  expect(await sessions.get(id)).toBeNull();
  const turn = await startTurn(sessions, id, requestOf(body), { maxBodyBytes: 10_000 });
  expect(turn.body).toMatchObject({ k199: 199 });
});

test("characters of several bytes are read whole, however they are split, and counted as bytes", async () => {
  const { id, sessions } = openFor(db);
  const bytes = new TextEncoder().encode(JSON.stringify(turnOf({ message: text("m1", "é€😀") })));
  const request = () =>
    new Request("http://application/api", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: new ReadableStream({
        start(controller) {
          for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
          controller.close();
        },
      }),
      duplex: "half",
    } as RequestInit);
  const limit = (maxBodyBytes: number) => ({ maxBodyBytes });
  await expect(startTurn(sessions, id, request(), limit(bytes.length - 1))).rejects.toMatchObject({
    code: "too_large",
  });
  await startTurn(sessions, id, request(), limit(bytes.length));
  expect((await sessions.get(id))?.messages[0]?.parts).toEqual([{ type: "text", text: "é€😀" }]);
});

test.each([
  ["text/plain"],
  ["application/x-www-form-urlencoded"],
  ["multipart/form-data"],
  ["application/jsonx"],
])("a request of the type %s is refused, which a page of any origin may send", async (type) => {
  const { id, sessions } = openFor(db);
  const request = requestOf(turnOf());
  request.headers.set("content-type", type);
  await expect(startTurn(sessions, id, request)).rejects.toMatchObject({
    code: "invalid_input",
    message: "request: expected the content type application/json",
  });
  expect(await sessions.get(id)).toBeNull();
});

test.each([["application/json; charset=utf-8"], ["Application/JSON"], ["application/vnd.chat+json"]])(
  "one of the type %s is taken",
  async (type) => {
    const { id, sessions } = openFor(db);
    const request = requestOf(turnOf());
    request.headers.set("content-type", type);
    await startTurn(sessions, id, request);
    expect(await sessions.get(id)).not.toBeNull();
  },
);

test("a body that was read before is refused", async () => {
  const { id, sessions } = openFor(db);
  const request = requestOf(turnOf());
  await request.text();
  await expect(startTurn(sessions, id, request)).rejects.toMatchObject({
    code: "invalid_input",
    message: "request: expected a body that can be read, once",
  });
});

test.each([[0], [1.5], [2 ** 28]])("a limit of %j bytes is refused", async (maxBodyBytes) => {
  const { id, sessions } = openFor(db);
  await expect(startTurn(sessions, id, requestOf(turnOf()), { maxBodyBytes })).rejects.toMatchObject({
    code: "invalid_input",
    message: expect.stringMatching(/^options\.maxBodyBytes: expected/),
  });
});

test.each([
  ["a Uint8Array", (bytes: Uint8Array) => bytes],
  ["an ArrayBuffer", (bytes: Uint8Array) => Uint8Array.from(bytes).buffer],
])("bytes that a parser has read may be %s", async (_, as) => {
  const { id, sessions } = openFor(db);
  const body = as(new TextEncoder().encode(JSON.stringify(turnOf())));
  const request = { headers: { "content-type": "application/json" }, body };
  expect((await startTurn(sessions, id, request)).messages).toHaveLength(1);
});
