import { sql } from "drizzle-orm";
import { layoutSchema } from "../admin/convert-layout.js";
import { messagesMissing } from "../message-rows/existing.js";
import { importSessions as importIntoRows } from "../message-rows/import.js";
import type { Database } from "../model/database.js";
import { JourneyDbError } from "../model/errors.js";
import { importedSessions, importSessions, ownOfLines } from "../queries/import.js";
import { type Statement, statement } from "../queries/statement.js";
import { parse } from "../validation/parse.js";
import { exactly } from "./exact-values.js";
import { readLines, sizeOf } from "./lines.js";
import { lineReader, type SessionLine } from "./ndjson.js";
import { showProgress } from "./progress.js";
import {
  counted,
  FAILED,
  ownerOf,
  say,
  send,
  sentenceOf,
  type TableOptions,
  tableOf,
  warn,
  withSessions,
} from "./run.js";
import { type StoredTable, storedTable } from "./stored-table.js";

/** Maximum lines and characters of one statement. */
const BATCH_LINES = 500;
const BATCH_CHARACTERS = 1024 * 1024;

const TAKEN = new JourneyDbError("conflict", "session.id: already used by another user's session");

/** A line of the file, numbered from 1. */
type NumberedLine = SessionLine & { number: number };

interface Counts {
  imported: number;
  present: number;
  refused: number;
  /** Lines with fields that no column takes. */
  ignored: number;
}

/**
 * Stores the sessions of a file, or of stdin, as the user's. Sessions that already exist stay unchanged. By default the
 * messages go into the column, which programs of both layouts read.
 */
export function runImport(
  user: string,
  path: string | undefined,
  { url, strict = false, to = "column", ...named }: TableOptions & { strict?: boolean; to?: string },
) {
  const userId = ownerOf(user);
  const intoRows = parse(layoutSchema, to, "--to") === "rows";
  const declared = tableOf(named);
  const file = path === "-" ? undefined : path;
  return withSessions(url, declared, async (db) => {
    const stored = await storedTable(db, declared);
    if (intoRows && !stored.hasMessages) throw messagesMissing(declared as never);
    const bytes = file === undefined ? 0 : await sizeOf(file);
    const progress = bytes > 0 ? showProgress("importing", bytes, "bytes") : undefined;
    const lines = readLines(file, (done) => progress?.to(done));
    const counts: Counts = { imported: 0, present: 0, refused: 0, ignored: 0 };
    try {
      const importing = { stored, intoRows, userId, counts, strict };
      if (strict) await db.transaction((tx) => importer(tx, importing)(lines));
      else await importer(db, importing)(lines);
    } catch (thrown) {
      if (!strict && counts.imported + counts.present > 0)
        warn(`${summaryOf(counts)}. Run the same command again to continue`);
      throw thrown;
    } finally {
      progress?.end();
    }
    say(summaryOf(counts));
    if (counts.ignored > 0)
      warn(`${counted(counts.ignored, "line")} with fields that no column takes: these fields were ignored`);
    if (counts.refused > 0) process.exitCode = FAILED;
  });
}

const summaryOf = ({ imported, present, refused }: Counts) =>
  `imported ${counted(imported, "session")}; already there, left as they are: ${present}; refused: ${refused}`;

interface Importing {
  stored: StoredTable;
  /** Whether the messages go into rows. */
  intoRows: boolean;
  userId: string;
  /** Goes up with each line. */
  counts: Counts;
  /** In a transaction: the first refusal is thrown, so that nothing is stored. */
  strict: boolean;
}

function importer(db: Database, { stored, intoRows, userId, counts, strict }: Importing) {
  const { table, fields } = stored;
  const reader = lineReader(fields, intoRows);
  const idsOf = async (db: Database, statement: Statement<{ id: string }>, sessions: string) =>
    new Set((await send(db, statement, { userId, sessions })).map(({ id }) => id));

  function refuse(number: number, thrown: unknown): void {
    if (!isRefusal(thrown)) throw thrown;
    const line = `line ${number}: ${sentenceOf(thrown)}`;
    // That a column needs a value is an error of the configuration elsewhere.
    const code = thrown.code === "configuration" ? "invalid_input" : thrown.code;
    if (strict) throw new JourneyDbError(code, `${line} Nothing was imported`);
    counts.refused++;
    warn(line);
  }

  /**
   * Why lines were not stored: the user already has such a session, or otherwise the refusal, by default that another
   * user has it.
   */
  async function explain(lines: NumberedLine[], refusal: JourneyDbError = TAKEN): Promise<void> {
    if (lines.length === 0) return;
    const own = await idsOf(db, importedSessions(table), JSON.stringify(lines.map(({ id }) => ({ id }))));
    for (const { id, number } of lines) {
      if (own.has(id)) counts.present++;
      else refuse(number, refusal);
    }
  }

  // After a failed statement a transaction takes no more: hence a savepoint.
  const attempt = <T>(use: (db: Database) => Promise<T>): Promise<T> => {
    const exact = (on: Database) => exactly(on, table, use);
    return strict ? db.transaction(exact) : exact(db);
  };

  /** The server does not say which value it cannot read, so it is asked for one after the other. */
  async function withField(refusal: JourneyDbError, { own, text }: NumberedLine): Promise<JourneyDbError> {
    if (!refusal.sqlState?.startsWith("22")) return refusal;
    for (const [key, field] of Object.entries(own)) {
      const reading = statement(table, "import_field", (db) =>
        db.select({ isNull: sql<boolean>`own is null` }).from(ownOfLines(table, { [key]: field })),
      );
      try {
        await attempt((tx) => send(tx, reading, { userId, sessions: `[${text}]` }));
      } catch (thrown) {
        if (!isRefusal(thrown)) throw thrown;
        return new JourneyDbError(thrown.code, `session.${field}: ${thrown.message}`);
      }
    }
    return refusal;
  }

  /**
   * Stores all lines, which set the same own columns, in one statement. If the server refuses it, halves them until the
   * refused line is found.
   */
  async function store(lines: NumberedLine[]): Promise<void> {
    const sessions = `[${lines.map(({ text }) => text).join(",")}]`;
    const inserting = (intoRows ? importIntoRows : importSessions)(lines[0]?.own ?? {})(table);
    let ids: Set<string>;
    try {
      ids = await attempt((tx) => idsOf(tx, inserting, sessions));
    } catch (thrown) {
      const [first, ...others] = lines;
      if (!first || !isRefusal(thrown)) throw thrown;
      if (others.length === 0) {
        // Another program may have stored the session at the same moment, with the same unique values.
        if (thrown.code === "conflict") return explain(lines, thrown);
        return refuse(first.number, await withField(thrown, first));
      }
      const half = Math.ceil(lines.length / 2);
      await store(lines.slice(0, half));
      return store(lines.slice(half));
    }
    counts.imported += ids.size;
    await explain(lines.filter(({ id }) => !ids.has(id)));
  }

  function read(bytes: Buffer, number: number): SessionLine | null {
    try {
      return reader.read(bytes);
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
      const shapes = new Map<string, NumberedLine[]>();
      for (const line of batch.values()) {
        const shape = JSON.stringify(line.own);
        const alike = shapes.get(shape);
        if (alike) alike.push(line);
        else shapes.set(shape, [line]);
      }
      for (const lines of shapes.values()) await store(lines);
      batch = new Map();
      characters = 0;
    };
    for await (const bytes of lines) {
      number++;
      const line = read(bytes, number);
      if (!line) continue;
      if (line.hasMore) counts.ignored++;
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
