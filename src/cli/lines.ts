import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { JourneyDbError } from "../model/errors.js";

/** Bytes of the longest line that can be a text of JavaScript's: 2^29 - 24 characters. */
export const LONGEST_LINE = 0x1fffffe8;

/** Bytes of the file; 0 where that is not known before it is read, as of a pipe. */
export const sizeOf = async (file: string): Promise<number> => (await stat(file).catch(unreadable)).size;

/**
 * The lines of a file, of stdin where none is named; null for one that is too long to be read. Not by
 * node:readline, which ends a line at U+2028 too, within a text that JSON leaves as it is; and as bytes,
 * since a stream's decoder replaces what is not UTF-8.
 */
export async function* readLines(
  file: string | undefined,
  onRead: (bytes: number) => void,
): AsyncGenerator<Buffer | null> {
  let begun: Buffer[] = [];
  let length = 0;
  const begin = (part: Buffer) => {
    length += part.length;
    if (length <= LONGEST_LINE) begun.push(part);
    else begun = [];
  };
  const end = () => {
    const line = length <= LONGEST_LINE ? Buffer.concat(begun) : null;
    begun = [];
    length = 0;
    return line;
  };
  for await (const chunk of chunksOf(file, onRead)) {
    let start = 0;
    for (let at = chunk.indexOf("\n"); at >= 0; at = chunk.indexOf("\n", start)) {
      begin(chunk.subarray(start, at));
      yield end();
      start = at + 1;
    }
    begin(chunk.subarray(start));
  }
  yield end();
}

async function* chunksOf(file: string | undefined, onRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  const stream = file === undefined ? process.stdin : createReadStream(file);
  const chunks = stream[Symbol.asyncIterator]();
  let done = 0;
  try {
    for (;;) {
      const next = await chunks.next().catch(unreadable);
      if (next.done) return;
      yield next.value;
      done += next.value.length;
      onRead(done);
    }
  } finally {
    stream.destroy();
  }
}

function unreadable({ code }: NodeJS.ErrnoException): never {
  throw new JourneyDbError("invalid_input", `file: expected one that can be read (${code})`);
}
