import { drizzle } from "drizzle-orm/postgres-js";
import { describe, expect, it } from "vitest";
import { append, appendOne, appendOneOrCreate, appendOrCreate } from "../../src/queries/append.js";
import { count } from "../../src/queries/count.js";
import { create } from "../../src/queries/create.js";
import { deleteAll, deleteOne } from "../../src/queries/delete.js";
import { exportBatch } from "../../src/queries/export.js";
import { fork } from "../../src/queries/fork.js";
import { get } from "../../src/queries/get.js";
import { heldElsewhere } from "../../src/queries/held-elsewhere.js";
import { importedSessions, importSessions } from "../../src/queries/import.js";
import { latest } from "../../src/queries/latest.js";
import { listStatements } from "../../src/queries/list.js";
import { mergeMetadata } from "../../src/queries/merge-metadata.js";
import { messages } from "../../src/queries/messages.js";
import { replaceMessages } from "../../src/queries/replace-messages.js";
import { search } from "../../src/queries/search.js";
import { setPhase } from "../../src/queries/set-phase.js";
import { truncate } from "../../src/queries/truncate.js";
import type { AnyStatement } from "../support/statements.js";

const db = drizzle.mock();
const writes = [
  append,
  appendOne,
  appendOneOrCreate,
  appendOrCreate,
  create,
  deleteOne,
  fork,
  mergeMetadata,
  replaceMessages,
  setPhase,
  truncate,
];
const statements = [
  count,
  deleteAll,
  exportBatch,
  get,
  importedSessions,
  importSessions,
  latest,
  messages,
  search,
  ...listStatements,
  ...writes.flatMap(({ statement, refusal }) => [statement, refusal]),
];

/** The text with each placeholder's name in place of its number: `$userId` for `$1`. */
function textOf(statement: AnyStatement): string {
  const { sql, params } = statement.build(db).toSQL();
  return sql.replace(/\$(\d+)/g, (_, number) => {
    const param = params[Number(number) - 1];
    return typeof param === "object" && param && "name" in param ? `$${param.name}` : String(param);
  });
}

describe.each(statements.map((statement) => [statement.name, statement] as const))(
  "%s",
  (name, statement) => {
    it("sends this text", async () => {
      await expect(`${textOf(statement)}\n`).toMatchFileSnapshot(`statements/${name}.sql`);
    });

    it("reaches the table only through its owner", () => {
      const sql = textOf(statement);
      const count = (pattern: RegExp) => [...sql.matchAll(pattern)].length;
      // Each place where stored rows are read or changed has its own condition, with the owner first in it.
      const places = count(/(?:from|join|update) "journey_sessions"|do update set/g);
      expect(count(/(?:where|on) \(*"journey_sessions"\."user_id" = \$userId/g)).toBe(places);
      // What is inserted is the owner's.
      const inserted = count(/insert into "journey_sessions"/g);
      const owners = count(/\) select .{1,60}, (?:\$userId::text|"journey_sessions"\."user_id"), /g);
      expect(owners).toBe(inserted);
      if (name !== "create_refusal") expect(places + inserted).toBeGreaterThan(0);
    });
  },
);

it("one statement alone asks about others, and reads no more than that an id is taken", () => {
  expect(textOf(heldElsewhere)).toBe(
    'select true from "journey_sessions" where ("journey_sessions"."user_id" <> $userId and "journey_sessions"."id" = $id)',
  );
});

it("every statement has a name of its own", () => {
  expect(new Set(statements.map(({ name }) => name)).size).toBe(statements.length);
});
