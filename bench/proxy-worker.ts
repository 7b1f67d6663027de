/** A TCP proxy that delays each chunk, keeps their order, and counts them. */
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { SHARED, type Shared } from "./proxy.js";

const { host, port, buffer }: { host: string; port: number; buffer: SharedArrayBuffer } = workerData;
const shared = new BigInt64Array(buffer);
const add = (name: Shared, count: number) => Atomics.add(shared, SHARED.indexOf(name), BigInt(count));
const delay = () => Atomics.load(shared, SHARED.indexOf("delayNs"));

/** Forwards each chunk when it is due, in order. */
function line(to: Socket): (piece: Buffer | null) => void {
  const waiting: { due: bigint; piece: Buffer | null }[] = [];
  let running = false;
  const pass = () => {
    const now = process.hrtime.bigint();
    for (let first = waiting[0]; first && first.due <= now; first = waiting[0]) {
      waiting.shift();
      if (first.piece) to.write(first.piece);
      else to.end();
    }
    const first = waiting[0];
    running = first !== undefined;
    if (!first) return;
    // A timer is late by up to 1 ms, so the rest is a busy wait.
    const left = Number(first.due - now) / 1e6;
    if (left > 2) setTimeout(pass, left - 2);
    else setImmediate(pass);
  };
  return (piece) => {
    const wait = delay();
    if (wait === 0n && waiting.length === 0) {
      if (piece) to.write(piece);
      else to.end();
      return;
    }
    waiting.push({ due: process.hrtime.bigint() + wait, piece });
    if (!running) pass();
  };
}

/** Of all connections together, since a pool has several. */
let serverSpoke = true;

const proxy = createServer((client) => {
  const server = createConnection({ host, port });
  for (const socket of [client, server]) {
    socket.setNoDelay();
    socket.on("error", () => {});
    socket.once("close", () => {
      client.destroy();
      server.destroy();
    });
  }
  const toServer = line(server);
  const toClient = line(client);
  client.on("data", (piece: Buffer) => {
    if (serverSpoke) add("roundTrips", 1);
    serverSpoke = false;
    add("bytesSent", piece.length);
    toServer(piece);
  });
  server.on("data", (piece: Buffer) => {
    serverSpoke = true;
    add("bytesReceived", piece.length);
    toClient(piece);
  });
  client.on("end", () => toServer(null));
  server.on("end", () => toClient(null));
});
proxy.listen(0, "127.0.0.1", () => parentPort?.postMessage((proxy.address() as AddressInfo).port));
