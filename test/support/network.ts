import { createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A TCP server on a free port that treats each connection as told, closed after the test; answers its port. */
export async function serverThat(treats: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    treats(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}
