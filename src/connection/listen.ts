import { setTimeout as delay } from "node:timers/promises";
import { IS_CITUS } from "../model/citus.js";
import type { Listener } from "../model/listener.js";
import type { ServerConnection } from "./server-connection.js";

/** Milliseconds until the next attempt to connect, after the first failures and at most. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;

/** Whether the engine is Citus. There, triggers of a distributed table notify on the server that has the row: those who wait poll. */
const SPREADS = `select ${IS_CITUS} as spreads`;

/** What a connection reports. */
export interface Reports {
  onnotify(channel: string, payload: string): void;
  onclose(): void;
}

/**
 * A listener with one connection, which is opened by the first that listens, opened again when it is lost, and closed
 * when nobody listens.
 *
 * @param connect opens a connection that reports to these functions
 */
export function serverListener(
  connect: (reports: Reports) => ServerConnection,
): Listener & { close(): Promise<void> } {
  const open = new Set<() => Promise<void>>();
  let closed = false;

  return {
    async listen(channel, onNotify, onListen) {
      const ended = new AbortController();
      let connection: ServerConnection | undefined;

      async function begin(): Promise<void> {
        for (let pause = FIRST_PAUSE; !ended.signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
          let established = false;
          const own = connect({
            onnotify: (_channel, payload) => onNotify(payload),
            onclose: () => {
              if (established) void begin();
            },
          });
          connection = own;
          try {
            const [row] = (await own.send([SPREADS])) as { spreads: boolean }[];
            if (row?.spreads) return void (await own.end(0));
            await own.send([`listen "${channel}"`]);
            established = !own.lost;
            if (established) return onListen?.();
          } catch {
            own.destroy();
          }
          await delay(pause, undefined, { signal: ended.signal, ref: false }).catch(() => {});
        }
      }

      async function unlisten() {
        open.delete(unlisten);
        ended.abort();
        await connection?.end(0);
      }

      open.add(unlisten);
      if (closed) await unlisten();
      // Not awaited, so that it can be given up while the server is away.
      else void begin();
      return { unlisten };
    },
    async close() {
      closed = true;
      await Promise.all([...open].map((unlisten) => unlisten()));
    },
  };
}
