/**
 * The socket of index.js, in a thread of its own so that the other one can wait: sends what it is
 * given, and answers once the server has said all that it will say to that.
 */
import { connect } from "node:net";
import { workerData } from "node:worker_threads";

const { answered, port, address } = workerData;
const socket = connect(address);
let [sent, received] = [Buffer.alloc(0), Buffer.alloc(0)];
let [started, waiting] = [false, false];

function answer() {
  port.postMessage(received);
  received = Buffer.alloc(0);
  waiting = false;
  Atomics.store(answered, 0, 1);
  Atomics.notify(answered, 0);
}

/** Where the last whole message of the bytes begins and ends, from the one at `at` on. */
function lastMessage(bytes, lengthAt) {
  let [last, end] = [-1, 0];
  for (let at = 0; at + lengthAt(at) + 4 <= bytes.length; ) {
    const next = at + lengthAt(at) + bytes.readInt32BE(at + lengthAt(at));
    if (next > bytes.length) break;
    [last, at, end] = [at, next, next];
  }
  return { last, end };
}

/** Whether the server waits for more: ready for a query, asking for a password, or done with a client it refuses. */
function isComplete() {
  const { last, end } = lastMessage(received, () => 1);
  if (last < 0 || end !== received.length) return false;
  const type = String.fromCharCode(received[last]);
  const asksForPassword = type === "R" && received.readInt32BE(last + 5) !== 0;
  const refuses = type === "E" && !started;
  started ||= type === "Z";
  return type === "Z" || asksForPassword || refuses;
}

socket.on("data", (bytes) => {
  received = Buffer.concat([received, bytes]);
  if (waiting && isComplete()) answer();
});
socket.on("error", () => answer());
socket.on("close", () => answer());

port.on("message", (bytes) => {
  sent = Buffer.concat([sent, bytes]);
  // The first message has no type.
  const { last, end } = lastMessage(sent, (at) => (sent[at] === 0 ? 0 : 1));
  const type = last < 0 ? "" : String.fromCharCode(sent[last]);
  socket.write(sent.subarray(0, end));
  sent = sent.subarray(end);
  // Startup, Query, Sync and a password are answered; half a message and Terminate are not.
  if (["\0", "Q", "S", "p"].includes(type)) waiting = true;
  else answer();
});
