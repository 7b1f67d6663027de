import { readdir } from "node:fs/promises";
import { getTableColumns } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import { describe, expect, it } from "vitest";
import { SESSION_KEYS } from "../../src/schema.js";
import { type AnyStatement, allStatements, SEVEN_COLUMNS } from "../support/statements.js";

const db = drizzle.mock();
const statements = await allStatements(SEVEN_COLUMNS);

/** Asks about others: see its own test. */
const ABOUT_OTHERS = "held_elsewhere";

/** The text with each placeholder's name in place of its number: `$userId` for `$1`. */
function textOf(statement: AnyStatement): string {
  const { sql, params } = statement.build(db).toSQL();
  return sql.replace(/\$(\d+)/g, (_, number) => {
    const param = params[Number(number) - 1];
    return typeof param === "object" && param && "name" in param ? `$${param.name}` : String(param);
  });
}

it("the snapshots are of the columns that the package fills", () => {
  expect(Object.keys(getTableColumns(SEVEN_COLUMNS))).toEqual([...SESSION_KEYS]);
});

describe.each([...statements].filter(([name]) => name !== ABOUT_OTHERS))("%s", (name, statement) => {
  it("sends this text", async () => {
    await expect(`${textOf(statement)}\n`).toMatchFileSnapshot(`statements/${name}.sql`);
  });
});

it("one statement alone asks about others, and reads no more than that an id is taken", () => {
  const statement = statements.get(ABOUT_OTHERS) ?? expect.fail();
  expect(textOf(statement)).toBe(
    'select true from "journey_sessions" where ("journey_sessions"."user_id" <> $userId and "journey_sessions"."id" = $id)',
  );
});

it("each snapshot is a statement's", async () => {
  const snapshots = await readdir(new URL("statements/", import.meta.url));
  const names = snapshots.map((file) => file.replace(/\.sql$/, ""));
  expect([...names, ABOUT_OTHERS].toSorted()).toEqual([...statements.keys()].toSorted());
});
