import type { Database } from "../model/database.js";
import { JourneyDbError } from "../model/errors.js";
import { importedSessions, importSessions } from "../queries/import.js";
import { LONGEST_LINE, readLines, sizeOf } from "./lines.js";
import { fromLine, type SessionLine } from "./ndjson.js";
import { showProgress } from "./progress.js";
import { counted, FAILED, ownerOf, say, send, type UrlOption, warn, withSessions } from "./run.js";

/** What is sent in one statement: whichever is reached first. */
const BATCH_LINES = 500;
const BATCH_CHARACTERS = 1024 * 1024;

/** A line of the file, from 1. */
type NumberedLine = SessionLine & { number: number };

/** Stores the sessions of a file, or of stdin, as the user's. What is there already stays as it is. */
export function runImport(given: string, named: string | undefined, options: UrlOption & { strict?: true }) {
  const userId = ownerOf(given);
  const file = named === "-" ? undefined : named;
  return withSessions(options.url, async (db) => {
    const bytes = file === undefined ? 0 : await sizeOf(file);
    const progress = bytes > 0 ? showProgress("importing", bytes, "bytes") : undefined;
    const lines = readLines(file, (done) => progress?.to(done));
    const counts: Counts = { imported: 0, present: 0, refused: 0 };
    try {
      if (options.strict) await db.transaction((tx) => new Import(tx, userId, counts, true).run(lines));
      else await new Import(db, userId, counts, false).run(lines);
    } catch (thrown) {
      if (!options.strict && counts.imported + counts.present > 0)
        warn(`${sentenceOf(counts)}. The same command again goes on from there`);
      throw thrown;
    } finally {
      progress?.end();
    }
    say(sentenceOf(counts));
    if (counts.refused > 0) process.exitCode = FAILED;
  });
}

const sentenceOf = ({ imported, present, refused }: Counts) =>
  `imported ${counted(imported, "session")}; already there, left as they are: ${present}; refused: ${refused}`;

interface Counts {
  imported: number;
  present: number;
  refused: number;
}

class Import {
  /**
   * @param counts goes up with each line
   * @param strict in a transaction: the first refusal is thrown, so that nothing stays
   */
  constructor(
    private readonly db: Database,
    private readonly userId: string,
    private readonly counts: Counts,
    private readonly strict: boolean,
  ) {}

  async run(lines: AsyncIterable<Buffer | null>): Promise<void> {
    let batch = new Map<string, NumberedLine>();
    let characters = 0;
    const flush = async () => {
      if (batch.size > 0) await this.store([...batch.values()]);
      batch = new Map();
      characters = 0;
    };
    let number = 0;
    for await (const bytes of lines) {
      number++;
      const line = this.read(number, bytes);
      if (!line) continue;
      // A second line of a session finds the first one's stored.
      if (batch.has(line.id) || batch.size === BATCH_LINES || characters > BATCH_CHARACTERS) await flush();
      batch.set(line.id, { ...line, number });
      characters += line.text.length;
    }
    await flush();
  }

  private read(number: number, bytes: Buffer | null): SessionLine | null {
    try {
      if (bytes) return fromLine(bytes);
      throw new JourneyDbError("too_large", `session: expected at most ${LONGEST_LINE} bytes`);
    } catch (thrown) {
      this.refuse(number, thrown);
      return null;
    }
  }

  /** All at once; where the server refuses, by halves, until it is known which line it refuses. */
  private async store(lines: NumberedLine[]): Promise<void> {
    const sessions = `[${lines.map(({ text }) => text).join(",")}]`;
    let stored: Set<string>;
    try {
      // In a transaction a failed statement would fail all that follow: hence a savepoint.
      stored = await (this.strict
        ? this.db.transaction((tx) => this.idsOf(tx, importSessions, sessions))
        : this.idsOf(this.db, importSessions, sessions));
    } catch (thrown) {
      const [first, ...others] = lines;
      if (!isRefusal(thrown)) throw thrown;
      if (!first || others.length === 0) {
        // The id was taken at the same moment.
        return thrown.code === "conflict" ? this.explain(lines) : this.refuse(first?.number ?? 0, thrown);
      }
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
    const ids = JSON.stringify(lines.map(({ id }) => ({ id })));
    const own = await this.idsOf(this.db, importedSessions, ids);
    for (const { id, number } of lines) {
      if (own.has(id)) this.counts.present++;
      else this.refuse(number, new JourneyDbError("conflict", "session.id: another user's session has it"));
    }
  }

  private async idsOf(db: Database, statement: typeof importSessions, sessions: string) {
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
  !thrown.retryable &&
  (["invalid_input", "too_large", "conflict"].includes(thrown.code) ||
    thrown.sqlState?.startsWith("23") === true);
