/**
 * `pg_dump URL … --file FILE`: PostgreSQL 18's own, compiled to WebAssembly for PGlite, for any
 * server. PGlite answers synchronously, so this waits for what a thread with a socket is answered.
 * It differs from an installed one in that it always writes INSERT statements and no \restrict lines.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { pgDump } from "@electric-sql/pglite-tools/pg_dump";

const args = process.argv.slice(2);
const options = { file: { type: "string", short: "f" } };
const { values, positionals } = parseArgs({ args, allowPositionals: true, strict: false, options });
const [url] = positionals;
if (!url || !values.file) throw new Error("expected pg_dump URL … --file FILE");
const { hostname, port } = new URL(url);

const answered = new Int32Array(new SharedArrayBuffer(4));
const { port1, port2 } = new MessageChannel();
const worker = new Worker(new URL("socket.js", import.meta.url), {
  workerData: { answered, port: port2, address: { host: hostname, port: Number(port || 5432) } },
  transferList: [port2],
});

/** What pgDump uses of PGlite. */
const server = {
  query: async () => ({ rows: [{ search_path: "" }] }),
  exec: async () => {},
  execProtocolRawStream(bytes, { onRawData }) {
    Atomics.store(answered, 0, 0);
    // A copy: the bytes are WebAssembly's memory.
    port1.postMessage(Uint8Array.from(bytes));
    Atomics.wait(answered, 0, 0);
    onRawData(receiveMessageOnPort(port1).message);
  },
};

try {
  const dump = await pgDump({ pg: server, args });
  writeFileSync(values.file, await dump.text());
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
} finally {
  await worker.terminate();
}
