import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Database } from "../database.js";
import { JourneyDbError } from "../errors.js";
import { fromLine, type SessionLine } from "../ndjson.js";
import { importedSessions, importSessions } from "../queries/import.js";
import { showProgress } from "./progress.js";
import { counted, FAILED, ownerOf, say, send, type UrlOption, warn, withDatabase } from "./run.js";

/** What is sent in one statement: whichever is reached first. */
const BATCH_LINES = 500;
const BATCH_CHARACTERS = 1024 * 1024;

/** A line of the file, from 1. */
type NumberedLine = SessionLine & { number: number };

/** Stores the sessions of a file, or of stdin, as the user's. What is there already stays as it is. */
export function runImport(given: string, file: string | undefined, options: UrlOption & { strict?: true }) {
  const userId = ownerOf(given);
  return withDatabase(options.url, async (db) => {
    const progress = file === undefined ? undefined : showProgress("importing", await sizeOf(file), "bytes");
    const input = bytesOf(file, (done) => progress?.to(done));
    let counts: Counts;
    try {
      counts = await (options.strict
        ? db.transaction((tx) => new Import(tx, userId, true).run(input))
        : new Import(db, userId, false).run(input));
    } finally {
      progress?.end();
    }
    say(
      `imported ${counted(counts.imported, "session")}; already there, left as they are: ${counts.present}; refused: ${counts.refused}`,
    );
    if (counts.refused > 0) process.exitCode = FAILED;
  });
}

const sizeOf = async (file: string) => (await stat(file).catch(unreadable)).size;

async function* bytesOf(file: string | undefined, onRead: (done: number) => void): AsyncGenerator<Buffer> {
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

/**
 * The lines of a stream of bytes. Not node:readline, which ends a line at U+2028 too, within a text
 * that JSON leaves as it is; and as bytes, since a stream's decoder replaces what is not UTF-8.
 */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let begun: Buffer[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf("\n"); end >= 0; end = chunk.indexOf("\n", start)) {
      yield Buffer.concat([...begun, chunk.subarray(start, end)]);
      begun = [];
      start = end + 1;
    }
    begun.push(chunk.subarray(start));
  }
  yield Buffer.concat(begun);
}

interface Counts {
  imported: number;
  present: number;
  refused: number;
}

class Import {
  private readonly counts: Counts = { imported: 0, present: 0, refused: 0 };
  /** The ids of the lines so far: some 10 MB for 100,000. */
  private readonly ids = new Set<string>();

  /** @param strict in a transaction: the first refusal is thrown, so that nothing stays */
  constructor(
    private readonly db: Database,
    private readonly userId: string,
    private readonly strict: boolean,
  ) {}

  async run(chunks: AsyncIterable<Buffer>): Promise<Counts> {
    let batch: NumberedLine[] = [];
    let characters = 0;
    const flush = async () => {
      if (batch.length > 0) await this.store(batch);
      batch = [];
      characters = 0;
    };
    let number = 0;
    for await (const bytes of linesOf(chunks)) {
      number++;
      const line = this.read(number, bytes);
      if (!line) continue;
      if (batch.length === BATCH_LINES || characters > BATCH_CHARACTERS) await flush();
      batch.push({ ...line, number });
      characters += line.text.length;
    }
    await flush();
    return this.counts;
  }

  private read(number: number, bytes: Buffer): SessionLine | null {
    try {
      const line = fromLine(bytes);
      if (line && this.ids.has(line.id))
        throw new JourneyDbError("invalid_input", "session.id: expected each id once");
      if (line) this.ids.add(line.id);
      return line;
    } catch (thrown) {
      this.refuse(number, thrown);
      return null;
    }
  }

  /** All at once; where the server refuses, by halves, until it is known which line it refuses. */
  private async store(lines: NumberedLine[]): Promise<void> {
    let stored: Set<string>;
    try {
      // In a transaction a failed statement would fail all that follow: hence a savepoint.
      stored = await (this.strict
        ? this.db.transaction((tx) => this.idsOf(tx, importSessions, lines))
        : this.idsOf(this.db, importSessions, lines));
    } catch (thrown) {
      const [first, ...others] = lines;
      if (!first || others.length === 0) return this.refuse(first?.number ?? 0, thrown);
      if (!isRefusal(thrown)) throw thrown;
      const half = Math.ceil(lines.length / 2);
      await this.store(lines.slice(0, half));
      return this.store(lines.slice(half));
    }
    this.counts.imported += stored.size;
    await this.explain(lines.filter(({ id }) => !stored.has(id)));
  }

  /** Why lines were not stored: the user has such a session already, or somebody else has. */
  private async explain(lines: NumberedLine[]): Promise<void> {
    if (lines.length === 0) return;
    const own = await this.idsOf(this.db, importedSessions, lines);
    for (const { id, number } of lines) {
      if (own.has(id)) this.counts.present++;
      else this.refuse(number, new JourneyDbError("conflict", "session.id: another user's session has it"));
    }
  }

  /** What a statement answers of these lines. */
  private async idsOf(db: Database, statement: typeof importSessions, lines: NumberedLine[]) {
    const sessions = `[${lines.map(({ text }) => text).join(",")}]`;
    return new Set((await send(db, statement, { userId: this.userId, sessions })).map(({ id }) => id));
  }

  private refuse(number: number, thrown: unknown): void {
    if (!isRefusal(thrown)) throw thrown;
    const line = `line ${number}: ${thrown.message.replace(/\.?$/, ".")}`;
    if (this.strict) throw new JourneyDbError(thrown.code, `${line} Nothing was imported`);
    this.counts.refused++;
    warn(line);
  }
}

/** What is the line's fault, and not the server's or the connection's: of a constraint of the application's own, too. */
const isRefusal = (thrown: unknown): thrown is JourneyDbError =>
  thrown instanceof JourneyDbError &&
  (["invalid_input", "too_large", "conflict"].includes(thrown.code) ||
    thrown.sqlState?.startsWith("23") === true);
