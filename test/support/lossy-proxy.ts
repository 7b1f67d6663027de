import { createConnection, createServer, type Socket } from "node:net";
import { atEnd } from "./database.js";

/** What is lost when the connection is cut: the request before the server sees it, or the answer after the commit. */
export const LOSSES = ["the answer", "the request"] as const;
export type Loss = (typeof LOSSES)[number];

/** A way to the server that can be cut at the worst moment. */
export interface LossyProxy {
  /** The server's URL, by way of the proxy. */
  url: string;
  /** Cuts the connection of the next write, once. */
  lose(loss: Loss): void;
  /** Writes that the server has committed, by the answers that it gave. */
  readonly committed: number;
  /** Connections cut. */
  readonly cuts: number;
}

const COMMAND_COMPLETE = "C".charCodeAt(0);
const READY_FOR_QUERY = "Z".charCodeAt(0);
const PARSE = "P".charCodeAt(0);
const BIND = "B".charCodeAt(0);
const EXECUTE = "E".charCodeAt(0);
const WRITES = /\b(insert into|update|delete from) "journey_(sessions|replies)"/;

/** Calls `see` with the type and the body of each message of the protocol, however they are split. */
function messagesOf(socket: Socket, see: (type: number, body: Buffer) => void): void {
  let rest = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5) {
      const end = 1 + rest.readUInt32BE(1);
      if (rest.length < end) return;
      see(rest.readUInt8(0), rest.subarray(5, end));
      rest = rest.subarray(end);
    }
  });
}

/** A TCP proxy before the server, closed after the file. */
export async function lossyProxy(url: string): Promise<LossyProxy> {
  const { hostname: host, port } = new URL(url);
  const sockets = new Set<Socket>();
  let losing: Loss | undefined;
  let committed = 0;
  let cuts = 0;

  const proxy = createServer((client) => {
    const server = createConnection({ host, port: Number(port || 5432) });
    const cut = () => {
      client.destroy();
      server.destroy();
    };
    const lost = () => {
      losing = undefined;
      cuts++;
      cut();
    };
    for (const socket of [client, server]) {
      sockets.add(socket.setNoDelay());
      socket.on("error", () => {}).once("close", cut);
    }
    let wrote = false;
    /** The prepared statements that write; what a write returns is selected from it, so its tag is SELECT. */
    const writes = new Set<string>();
    let isWrite = false;
    // Looks at the answers before they are passed on.
    messagesOf(server, (type, body) => {
      if (type === COMMAND_COMPLETE) wrote = isWrite && !/ 0\0$/.test(body.toString());
      if (type !== READY_FOR_QUERY || !wrote) return;
      // The transaction has ended by now.
      wrote = false;
      committed++;
      if (losing === "the answer") lost();
    });
    server.on("data", (chunk) => {
      if (!client.destroyed) client.write(chunk);
    });
    let started = false;
    client.on("data", (chunk: Buffer) => {
      for (const [type, body] of started ? requestsIn(chunk) : []) {
        const [first = "", second = ""] = body.toString().split("\0", 2);
        if (type === PARSE) writes[WRITES.test(second) ? "add" : "delete"](first);
        if (type === BIND) isWrite = writes.has(second);
        if (type === EXECUTE && losing === "the request") return lost();
      }
      started = true;
      server.write(chunk);
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  atEnd(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });
  const to = new URL(url);
  to.hostname = "127.0.0.1";
  to.port = String((proxy.address() as { port: number }).port);
  // Encrypted, it could not be read.
  to.searchParams.set("sslmode", "disable");
  return {
    url: to.href,
    lose(loss) {
      losing = loss;
    },
    get committed() {
      return committed;
    },
    get cuts() {
      return cuts;
    },
  };
}

/** The messages that a driver sends, each in one piece. */
function requestsIn(chunk: Buffer): [type: number, body: Buffer][] {
  const requests: [number, Buffer][] = [];
  for (let at = 0; at + 5 <= chunk.length; at += 1 + chunk.readUInt32BE(at + 1))
    requests.push([chunk.readUInt8(at), chunk.subarray(at + 5, at + 1 + chunk.readUInt32BE(at + 1))]);
  return requests;
}
