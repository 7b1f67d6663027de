import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** What the proxy counts and is told, in memory that it shares with this thread. */
export const SHARED = ["delayNs", "roundTrips", "bytesSent", "bytesReceived"] as const;
export type Shared = (typeof SHARED)[number];

export interface Traffic {
  /** Times that the client sent after the server did. */
  roundTrips: number;
  bytesSent: number;
  bytesReceived: number;
}

/** A way to the server that counts what goes over it, and that may be long. */
export interface CountingProxy {
  /** The same database by way of the proxy. */
  readonly url: string;
  /** Milliseconds each way from now on; 0 at first. Nothing may be under way. */
  setDelay(milliseconds: number): void;
  /** Since it started, over all connections. */
  traffic(): Traffic;
  close(): Promise<void>;
}

/** Starts the proxy of proxy-worker.ts in a thread of its own, so that what the client does meanwhile holds nothing up. */
export async function startProxy(url: string): Promise<CountingProxy> {
  const target = new URL(url);
  const buffer = new SharedArrayBuffer(SHARED.length * BigInt64Array.BYTES_PER_ELEMENT);
  const shared = new BigInt64Array(buffer);
  const read = (name: Shared) => Number(Atomics.load(shared, SHARED.indexOf(name)));
  const worker = new Worker(new URL("proxy-worker.ts", import.meta.url), {
    workerData: { host: target.hostname, port: Number(target.port || 5432), buffer },
  });
  const [port] = (await once(worker, "message")) as [number];
  worker.unref();
  const through = new URL(url);
  through.hostname = "127.0.0.1";
  through.port = String(port);
  return {
    url: through.href,
    setDelay(milliseconds) {
      Atomics.store(shared, SHARED.indexOf("delayNs"), BigInt(milliseconds * 1e6));
    },
    traffic: () => ({
      roundTrips: read("roundTrips"),
      bytesSent: read("bytesSent"),
      bytesReceived: read("bytesReceived"),
    }),
    async close() {
      await worker.terminate();
    },
  };
}
