import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** Counters and settings of the proxy, in memory shared with this thread. */
export const SHARED = ["delayNs", "roundTrips", "bytesSent", "bytesReceived"] as const;
export type Shared = (typeof SHARED)[number];

export interface Traffic {
  /** Times that the client sent after the server did. */
  roundTrips: number;
  bytesSent: number;
  bytesReceived: number;
}

/** A proxy to the server that counts traffic and may add latency. */
export interface CountingProxy {
  /** The same database through the proxy. */
  readonly url: string;
  /** Sets the milliseconds each way, initially 0. Nothing may be in transit. */
  setDelay(milliseconds: number): void;
  /** Since it started, over all connections. */
  traffic(): Traffic;
  close(): Promise<void>;
}

/** Starts proxy-worker.ts in its own thread, so that the client does not delay it. */
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
