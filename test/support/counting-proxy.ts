import { createConnection, createServer, type Socket } from "node:net";
import { atEnd } from "./database.js";

/** A way to the server that counts how often a client waits for it. */
export interface CountingProxy {
  /** The server's URL, by way of the proxy. */
  url: string;
  /**
   * How often the client spoke again after the server had, or at all, since the proxy was made.
   * What it sends at once is one, however many messages or packets that is.
   */
  readonly roundTrips: number;
}

/** A TCP proxy before the server or a pooler, closed after the file. */
export async function countingProxy(url: string): Promise<CountingProxy> {
  const { hostname: host, port } = new URL(url);
  const sockets = new Set<Socket>();
  let roundTrips = 0;
  const proxy = createServer((client) => {
    const server = createConnection({ host, port: Number(port || 5432) });
    let waits = false;
    client.on("data", (chunk) => {
      if (!waits) roundTrips++;
      waits = true;
      server.write(chunk);
    });
    server.on("data", (chunk) => {
      waits = false;
      client.write(chunk);
    });
    for (const socket of [client, server]) {
      // Else pieces wait for the acknowledgement of those before them.
      sockets.add(socket.setNoDelay());
      socket
        .on("error", () => {})
        .once("close", () => {
          client.destroy();
          server.destroy();
        });
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  atEnd(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });
  const to = new URL(url);
  to.hostname = "127.0.0.1";
  to.port = String((proxy.address() as { port: number }).port);
  return {
    url: to.href,
    get roundTrips() {
      return roundTrips;
    },
  };
}
