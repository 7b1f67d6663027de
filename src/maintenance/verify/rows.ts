import { sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import type { StoredColumn } from "./columns.js";
import { error, type Finding, warning } from "./finding.js";
import { limited } from "./limited.js";
import { DEFAULTS } from "./probe.js";
import { NOT_VALID, SHAPES, type StoredConstraint } from "./structure.js";

/** What JavaScript's trim() takes away, as an SQL literal; in a database of another encoding, the ASCII among it. */
const BLANKS =
  "E' \\t\\n\\x0b\\f\\r\\u00a0\\u1680\\u2000\\u2001\\u2002\\u2003\\u2004\\u2005\\u2006\\u2007\\u2008\\u2009\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff'";
const ASCII_BLANKS = "E' \\t\\n\\x0b\\f\\r'";

/** Longer than 255 of JavaScript's characters, of which those beyond U+FFFF (4 bytes) are two. */
const tooLong = (text: string) =>
  `(char_length(${text}) > 255 or (octet_length(${text}) > 255 and char_length(${text}) + char_length(regexp_replace(${text}, E'[\\\\u0001-\\\\uffff]', '', 'g')) > 255))`;

/** One thing to count, and what to say of it. */
interface Rule {
  broken: string;
  find: (rows: number) => Finding[];
}

const have = (rows: number) => (rows === 1 ? "1 row has" : `${rows} rows have`);

const shown = (what: string, broken: string) => `select ${what} from journey_sessions where ${broken}`;

/**
 * Counts what the stored rows hold against the table's rules and this package's, in one scan. What the
 * server vouches for (a validated check, a NOT NULL column) is not counted.
 *
 * @param phases those of the application
 */
export async function checkRows(
  db: Database,
  columns: readonly StoredColumn[],
  constraints: readonly StoredConstraint[],
  inTransaction: boolean,
  phases: readonly string[] | undefined,
): Promise<Finding[]> {
  const [server] = await db
    .select({
      tells: sql<boolean>`current_setting('server_version_num')::int >= 160000`,
      utf8: sql<boolean>`current_setting('server_encoding') = 'UTF8'`,
    })
    .from(sql`(select) as nothing`);
  const typed = new Set(columns.map(({ name, type }) => `${name} ${type}`));
  const shapes = SHAPES.filter(({ column, type }) => typed.has(`${column} ${type}`));
  const tells = server?.tells === true;
  // repair-json skips a row in which anything else is forbidden.
  const repairable = shapes
    .map(({ broken, column, holds }) => {
      const repaired = holds === null ? "false" : encodedTwice(column, holds, tells);
      return `(${broken} and not (${repaired})) is not true`;
    })
    .join(" and ");
  const rules = [
    ...shapes.flatMap((shape) => shapeRules(shape, constraints, tells, repairable)),
    ...columns
      .filter(({ name, notNull }) => !notNull && (name === "user_id" || name in DEFAULTS))
      .map(nullRule),
    ...(typed.has("user_id text") ? userIdRules(server?.utf8 ? BLANKS : ASCII_BLANKS) : []),
    ...(phases && typed.has("phase text") ? [phaseRule(phases)] : []),
  ];
  if (rules.length === 0) return [];
  const uncounted = { subject: "Stored rows", remedy: "verify again while the server has time" };
  return limited(db, inTransaction, uncounted, async () => {
    const counted = sql.join(
      rules.map(({ broken }) => sql.raw(`count(*) filter (where ${broken})`)),
      sql`, `,
    );
    const [row] = await db
      .select({ counts: sql<number[]>`to_jsonb(array[${counted}])::text`.mapWith(JSON.parse) })
      .from(sql.raw("journey_sessions"));
    return rules.flatMap(({ find }, index) => find(row?.counts[index] ?? 0));
  });
}

/** A JSON text that holds another one, and so on, down to what it should have been. */
const encodedTwice = (column: string, type: string, tells: boolean) =>
  tells
    ? `case when jsonb_typeof(${column}) = 'string' then (with recursive layer (value, depth) as (
        select ${column}, 1 union all
        select (value #>> '{}')::jsonb, depth + 1 from layer
        where depth < 8 and case when jsonb_typeof(value) = 'string' then pg_input_is_valid(value #>> '{}', 'jsonb') else false end
      ) select jsonb_typeof(value) = '${type}' from layer order by depth desc limit 1) else false end`
    : `jsonb_typeof(${column}) = 'string' and left(ltrim(${column} #>> '{}', E' \\t\\r\\n"\\\\'), 1) = '${type === "array" ? "[" : "{"}'`;

function shapeRules(
  { check, column, what, broken, definition, holds }: (typeof SHAPES)[number],
  constraints: readonly StoredConstraint[],
  tells: boolean,
  repairable: string,
): Rule[] {
  const found = constraints.find(({ name }) => name === check);
  const same = found?.definition.replace(NOT_VALID, "") === definition;
  if (same && found?.validated) return [];
  const twice = holds === null ? "false" : `(${encodedTwice(column, holds, tells)}) and ${repairable}`;
  const forbidden = `${broken} and not (${twice})`;
  let unrepaired = 0;
  return [
    {
      broken: twice,
      find: (rows) =>
        rows === 0
          ? []
          : [
              warning(
                "rows_encoded_twice",
                `${have(rows)} ${column} that are a JSON text in which the ${holds} stands, encoded twice: reading or writing such a session answers corrupt.`,
                "journey-db repair-json, after a backup; --dry-run only counts",
              ),
            ],
    },
    {
      broken: forbidden,
      find: (rows) => {
        unrepaired = rows;
        if (rows === 0) return [];
        return [
          warning(
            "rows_forbidden",
            `${have(rows)} ${what}: reading or writing such a session answers corrupt.`,
            {
              sql: shown(`id, user_id, ${column}`, broken),
              rest: ", then repair or delete each row that it shows, then run journey-db verify",
            },
          ),
        ];
      },
    },
    {
      broken,
      find: () =>
        same
          ? [
              warning(
                "check_not_validated",
                `Check ${check} holds for new rows only.`,
                unrepaired > 0
                  ? "repair or delete the rows that break it, which rows_forbidden counts, then run journey-db verify"
                  : { sql: `alter table journey_sessions validate constraint ${check}` },
              ),
            ]
          : [],
    },
  ];
}

function nullRule({ name }: StoredColumn): Rule {
  const broken = `${name} is null`;
  const message = (rows: number) => `${have(rows)} NULL in ${name}.`;
  // Those that no default fills keep the migrations from being applied.
  const isKey = name === "user_id" || name === "id";
  const keyless = {
    sql: shown("*", broken),
    rest: ", then give each row one or delete it, then run journey-db verify",
  };
  return {
    broken,
    find: (rows) => {
      if (rows === 0) return [];
      if (isKey) return [error("null_values", message(rows), keyless)];
      return [warning("null_values", message(rows), "journey-db migrate fills in the column's default")];
    },
  };
}

function userIdRules(blanks: string): Rule[] {
  const trimmed = `btrim(user_id, ${blanks})`;
  const padded = `user_id <> ${trimmed} and ${trimmed} <> '' and not ${tooLong(trimmed)}`;
  const other = `user_id <> '' and (${trimmed} = '' or ${tooLong(trimmed)})`;
  const unreachable = (rows: number, what: string) =>
    `${have(rows)} a user_id ${what}: no call reaches such a session, since forUser refuses it.`;
  return [
    {
      broken: padded,
      find: (rows) =>
        rows === 0
          ? []
          : [
              warning("user_id_unusable", unreachable(rows, "with white space around it"), {
                sql: `update journey_sessions set user_id = ${trimmed} where ${padded}`,
                rest: ", after making sure that it is the same user without the white space",
              }),
            ],
    },
    {
      broken: other,
      find: (rows) =>
        rows === 0
          ? []
          : [
              warning(
                "user_id_unusable",
                unreachable(rows, "of white space alone, or of more than 255 characters"),
                {
                  sql: shown("id, user_id", other),
                  rest: ", then give each row that it shows another user_id or delete it, then run journey-db verify",
                },
              ),
            ],
    },
  ];
}

const literal = (text: string) => `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;

function phaseRule(phases: readonly string[]): Rule {
  const broken = `phase not in (${phases.map(literal).join(", ")})`;
  const what = "a phase that is not among the application's: get and list return it as it is";
  return {
    broken,
    find: (rows) =>
      rows === 0
        ? []
        : [
            warning("phase_unlisted", `${have(rows)} ${what}.`, {
              sql: `select phase, count(*) from journey_sessions where ${broken} group by phase`,
              rest: ", then update the rows of each phase that it shows, or list that in defineJourney({ phases })",
            }),
          ],
  };
}
