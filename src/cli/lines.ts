import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { JourneyDbError } from "../model/errors.js";

/** Bytes of the file; 0 if they are not known in advance, as for a pipe. */
export const sizeOf = async (file: string): Promise<number> => (await stat(file).catch(unreadable)).size;

/**
 * The lines of a file, or of stdin. node:readline would also end a line at U+2028, which JSON allows in
 * strings. Lines are bytes, since a decoder of a stream replaces what is not UTF-8.
 */
export async function* readLines(
  file: string | undefined,
  onRead: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  const chunks: AsyncIterable<Buffer> = file === undefined ? process.stdin : createReadStream(file);
  let begun: Buffer[] = [];
  let read = 0;
  try {
    for await (const chunk of chunks) {
      let start = 0;
      for (let end = chunk.indexOf("\n"); end >= 0; end = chunk.indexOf("\n", start)) {
        yield Buffer.concat([...begun, chunk.subarray(start, end)]);
        begun = [];
        start = end + 1;
      }
      begun.push(chunk.subarray(start));
      read += chunk.length;
      onRead(read);
    }
  } catch (thrown) {
    unreadable(thrown as NodeJS.ErrnoException);
  }
  yield Buffer.concat(begun);
}

function unreadable({ code }: NodeJS.ErrnoException): never {
  throw new JourneyDbError("invalid_input", `file: expected a file that can be read (${code})`);
}
