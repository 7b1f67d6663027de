import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { NO_TLS } from "../model/driver-errors.js";
import type { Host } from "./database-url.js";

/** SSLRequest (https://www.postgresql.org/docs/current/protocol-message-formats.html). */
const TLS_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

const failure = (code: string, message: string) => Object.assign(new Error(message), { code });

/**
 * Opens a socket to the server, encrypted as the address requires. postgres.js does not encrypt: it would
 * start TLS with a server that has none, and reconnect endlessly to one that hangs up in the handshake.
 *
 * @throws errors of Node's, and with the codes CONNECT_TIMEOUT, ECONNREFUSED if the server hangs up, and NO_TLS
 */
export async function openSocket(
  { host, port, tls }: Host,
  encryption: ConnectionOptions,
  timeoutMs: number,
): Promise<Socket> {
  const plain = host.startsWith("/")
    ? createConnection({ path: `${host}/.s.PGSQL.${port}` })
    : // Nagle's algorithm would hold the next statement until the server acknowledges the last.
      createConnection({ host, port, noDelay: true });
  let socket: Socket = plain;
  const late = () => socket.destroy(failure("CONNECT_TIMEOUT", "no answer"));
  const timer = setTimeout(late, timeoutMs);
  try {
    await once(plain, "connect");
    if (tls === "disable") return plain;
    plain.once("end", () => plain.destroy(failure("ECONNRESET", "hung up")));
    plain.write(TLS_REQUEST);
    const [answer]: Buffer[] = await once(plain, "data");
    plain.removeAllListeners("end");
    // More than one letter cannot be the server's, since the rest is not encrypted: an attacker is in between.
    if (answer?.toString() !== "S") {
      if (answer?.toString() === "N" && tls === "prefer") return plain;
      throw failure(NO_TLS, "no TLS");
    }
    socket = connectTls({ ...encryption, socket: plain });
    await once(socket, "secureConnect");
    return socket;
  } catch (error) {
    socket.destroy();
    // ECONNRESET means that the outcome of a statement is unknown. Nothing was sent yet.
    if ((error as NodeJS.ErrnoException).code === "ECONNRESET") throw failure("ECONNREFUSED", "hung up");
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
