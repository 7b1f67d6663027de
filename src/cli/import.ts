import type { Database } from "../model/database.js";
import { JourneyDbError } from "../model/errors.js";
import { importedSessions, importSessions } from "../queries/import.js";
import type { Statement } from "../queries/statement.js";
import { journeySessions } from "../schema.js";
import { readLines, sizeOf } from "./lines.js";
import { fromLine, type SessionLine } from "./ndjson.js";
import { showProgress } from "./progress.js";
import { counted, FAILED, ownerOf, say, send, type UrlOption, warn, withSessions } from "./run.js";

/** Maximum lines and characters of one statement. */
const BATCH_LINES = 500;
const BATCH_CHARACTERS = 1024 * 1024;

/** A line of the file, numbered from 1. */
type NumberedLine = SessionLine & { number: number };

interface Counts {
  imported: number;
  present: number;
  refused: number;
}

/** Stores the sessions of a file, or of stdin, as the user's. Sessions that already exist stay unchanged. */
export function runImport(user: string, path: string | undefined, options: UrlOption & { strict?: true }) {
  const userId = ownerOf(user);
  const file = path === "-" ? undefined : path;
  return withSessions(options.url, async (db) => {
    const bytes = file === undefined ? 0 : await sizeOf(file);
    const progress = bytes > 0 ? showProgress("importing", bytes, "bytes") : undefined;
    const lines = readLines(file, (done) => progress?.to(done));
    const counts: Counts = { imported: 0, present: 0, refused: 0 };
    try {
      if (options.strict) await db.transaction((tx) => importer(tx, userId, counts, true)(lines));
      else await importer(db, userId, counts, false)(lines);
    } catch (thrown) {
      if (!options.strict && counts.imported + counts.present > 0)
        warn(`${sentenceOf(counts)}. Run the same command again to continue`);
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

/**
 * @param counts goes up with each line
 * @param strict in a transaction: the first refusal is thrown, so that nothing is stored
 */
function importer(db: Database, userId: string, counts: Counts, strict: boolean) {
  const idsOf = async (db: Database, statement: Statement<{ id: string }>, sessions: string) =>
    new Set((await send(db, statement, { userId, sessions })).map(({ id }) => id));

  function refuse(number: number, thrown: unknown): void {
    if (!isRefusal(thrown)) throw thrown;
    const line = `line ${number}: ${thrown.message.replace(/\.?$/, ".")}`;
    if (strict) throw new JourneyDbError(thrown.code, `${line} Nothing was imported`);
    counts.refused++;
    warn(line);
  }

  /** Why lines were not stored: the user already has such a session, or another user has. */
  async function explain(lines: NumberedLine[]): Promise<void> {
    if (lines.length === 0) return;
    const own = await idsOf(
      db,
      importedSessions(journeySessions),
      JSON.stringify(lines.map(({ id }) => ({ id }))),
    );
    for (const { id, number } of lines) {
      if (own.has(id)) counts.present++;
      else
        refuse(number, new JourneyDbError("conflict", "session.id: already used by another user's session"));
    }
  }

  /** Stores all lines in one statement. If the server refuses it, halves them until the refused line is found. */
  async function store(lines: NumberedLine[]): Promise<void> {
    const sessions = `[${lines.map(({ text }) => text).join(",")}]`;
    let stored: Set<string>;
    try {
      // After a failed statement a transaction takes no more: hence a savepoint.
      stored = await (strict
        ? db.transaction((tx) => idsOf(tx, importSessions({})(journeySessions), sessions))
        : idsOf(db, importSessions({})(journeySessions), sessions));
    } catch (thrown) {
      const [first, ...others] = lines;
      if (!isRefusal(thrown)) throw thrown;
      if (!first || others.length === 0) {
        // The id was taken at the same moment.
        return thrown.code === "conflict" ? explain(lines) : refuse(first?.number ?? 0, thrown);
      }
      const half = Math.ceil(lines.length / 2);
      await store(lines.slice(0, half));
      return store(lines.slice(half));
    }
    counts.imported += stored.size;
    await explain(lines.filter(({ id }) => !stored.has(id)));
  }

  function read(bytes: Buffer, number: number): SessionLine | null {
    try {
      return fromLine(bytes);
    } catch (thrown) {
      refuse(number, thrown);
      return null;
    }
  }

  return async (lines: AsyncIterable<Buffer>): Promise<void> => {
    let batch = new Map<string, NumberedLine>();
    let characters = 0;
    let number = 0;
    const flush = async () => {
      if (batch.size > 0) await store([...batch.values()]);
      batch = new Map();
      characters = 0;
    };
    for await (const bytes of lines) {
      number++;
      const line = read(bytes, number);
      if (!line) continue;
      // A second line of a session must find the first one stored.
      if (batch.has(line.id) || batch.size === BATCH_LINES || characters > BATCH_CHARACTERS) await flush();
      batch.set(line.id, { ...line, number });
      characters += line.text.length;
    }
    await flush();
  };
}

/** Whether the line is at fault, and not the server or the connection. Constraints of the application's own count too. */
const isRefusal = (thrown: unknown): thrown is JourneyDbError =>
  thrown instanceof JourneyDbError &&
  !thrown.retryable &&
  (["invalid_input", "too_large", "conflict"].includes(thrown.code) ||
    thrown.sqlState?.startsWith("23") === true);
