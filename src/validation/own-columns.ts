import { is, SQL } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import * as z from "zod";
import { arrayOf, fillOf, fromJson, isJson, toText } from "../model/column-values.js";
import { JourneyDbError } from "../model/errors.js";
import { isStorable } from "../model/text.js";
import { type Filter, type JourneyTable, ownColumns } from "../schema.js";
import { columnSchema } from "./column-schema.js";
import { isObject, type JsonRules, toJson } from "./json.js";
import { plainObjectSchema } from "./options.js";
import { parse } from "./parse.js";
import { storableJson } from "./payloads.js";

/** Own columns to write, as the texts that PostgreSQL reads. */
export type OwnTexts = Record<string, string | null>;

interface OwnColumn {
  key: string;
  column: PgColumn;
  /** Of its values, and of null if it is nullable. */
  schema: z.ZodType;
  /** Whether a call may set it: the database fills no generated column otherwise. */
  isWritable: boolean;
  /** Whether the database numbers it. */
  isNumbered: boolean;
}

/** Whether values of the column are arrays, so that an array is one value. */
const isArray = (column: PgColumn) =>
  isJson(column) || column.dataType === "array" || column.getSQLType().endsWith("[]");

/** Types without an operator `=`. */
const NOT_COMPARED = /^(json|xml|point|polygon)\b/;

const isWritable = ({ generated, generatedIdentity }: PgColumn) =>
  generated?.type !== "always" && !generated?.as && generatedIdentity?.type !== "always";

/** Checks the values of the application's own columns, and converts them. */
export function ownColumnsOf(
  table: JourneyTable,
  applicationSchemas: Record<string, z.ZodType | undefined>,
  rules: JsonRules,
) {
  const keys = ownColumns(table).map(([key]) => key);
  const unknown = Object.keys(applicationSchemas).find((key) => !keys.includes(key));
  if (unknown !== undefined) throw invalid(`options.columns.${unknown}`, "an own column of the table");
  const columns = ownColumns(table).map(([key, column]): OwnColumn => {
    const schema = applicationSchemas[key] ?? columnSchema(column);
    return {
      key,
      column,
      schema: column.notNull ? schema : z.nullable(schema),
      isWritable: isWritable(column),
      isNumbered: /serial$/.test(column.getSQLType()) || column.generatedIdentity !== undefined,
    };
  });
  const writable = columns.filter((one) => one.isWritable);

  function checked(field: string, text: string): string {
    if (!isStorable(text)) throw invalid(field, "well-formed text without U+0000");
    if (text.length > rules.maxBytes) {
      throw new JourneyDbError("too_large", `${field}: expected at most ${rules.maxBytes} bytes`);
    }
    return text;
  }

  function textOf({ column, schema }: OwnColumn, value: unknown, field: string): string | null {
    parse(schema, value, field, rules.knownKeys);
    // A schema of JSON or of a custom type may accept null.
    if (value === null && column.notNull) throw invalid(field, "a value other than null");
    if (value === null) return null;
    if (isJson(column)) return storableJson(toJson(value, field, rules), field, rules).text;
    return checked(
      field,
      converted(field, () => toText(column, value)),
    );
  }

  const textsOf = (from: readonly OwnColumn[], given: Record<string, unknown>, field: string): OwnTexts =>
    Object.fromEntries(
      from
        .filter(({ key }) => given[key] !== undefined)
        .map((one) => [one.key, textOf(one, given[one.key], `${field}.${one.key}`)]),
    );

  /** Objects of the columns, whose values are checked one by one. */
  const objectOf = (known: readonly OwnColumn[]) =>
    plainObjectSchema.pipe(
      z.strictObject(Object.fromEntries(known.map(({ key }) => [key, z.unknown().optional()]))),
    );
  const changesSchema = objectOf(writable);
  const filtersSchema = objectOf(columns);

  return {
    /** Separates the own columns that a call may set from the rest of an argument. */
    split(given: unknown): { own: Record<string, unknown>; rest: unknown } {
      if (!isObject(given) || writable.length === 0) return { own: {}, rest: given };
      const isOwn = ([key]: [string, unknown]) => writable.some((one) => one.key === key);
      const entries = Object.entries(given);
      return {
        own: Object.fromEntries(entries.filter(isOwn)),
        rest: Object.fromEntries(entries.filter((entry) => !isOwn(entry))),
      };
    },

    /** The own columns of a new session, with the values of Drizzle's `$default` and `$onUpdate` functions. */
    created(own: Record<string, unknown>, field: string): OwnTexts {
      const given: Record<string, unknown> = { ...own };
      for (const { key, column, schema } of writable) {
        if (given[key] !== undefined) continue;
        const { notNull, hasDefault } = column;
        const fill = fillOf(column);
        const name = `${field}.${key}`;
        if (fill) {
          const value = converted(name, fill, "its default could not be computed");
          // The statement has it.
          if (!is(value, SQL)) given[key] = value;
        } else if (notNull && !hasDefault) {
          parse(schema, undefined, name);
          throw invalid(name, "a value");
        }
      }
      return textsOf(writable, given, field);
    },

    /** The own columns that a call changes. */
    changed(given: unknown, field: string): OwnTexts {
      return textsOf(writable, parse(changesSchema, given, field), field);
    },

    /** The keys of the columns that a copy of a session does not take over. */
    notCopied: columns.filter((one) => !one.isWritable || one.isNumbered).map(({ key }) => key),

    /** The filters of a search by own columns, and their values. */
    filters(given: unknown, field: string): { where: Filter[]; texts: OwnTexts } {
      const where: Filter[] = [];
      const texts: OwnTexts = {};
      const asked = parse(filtersSchema, given, field);
      for (const one of columns) {
        const { key, column } = one;
        const name = `${field}.${key}`;
        if (!(key in asked)) continue;
        const value = asked[key];
        // Dropped in silence, it would find more than was asked for.
        if (value === undefined) throw invalid(name, "a value, null or an array");
        if (value === null) where.push([key, "null"]);
        else if (NOT_COMPARED.test(column.getSQLType())) {
          throw invalid(name, "null, since values of the column's type cannot be compared");
        } else if (!Array.isArray(value) || isArray(column)) {
          where.push([key, "value"]);
          texts[key] = textOf(one, value, name);
        } else {
          const values = value.filter((item, n) => textOf(one, item, `${name}[${n}]`) !== null);
          texts[key] = checked(
            name,
            converted(name, () => arrayOf(column, values)),
          );
          where.push([key, values.length < value.length ? "any or null" : "any"]);
        }
      }
      return { where, texts };
    },

    /** The own columns of a row, of their JSON. */
    read(json: readonly unknown[]): Record<string, unknown> {
      const read: Record<string, unknown> = {};
      for (const [n, { key, column }] of columns.entries()) {
        read[key] = converted(key, () => fromJson(column, json[n] ?? null), CANNOT_CONVERT, "internal");
      }
      return read;
    },
  };
}

export type OwnColumns = ReturnType<typeof ownColumnsOf>;

const invalid = (field: string, expected: string) =>
  new JourneyDbError("invalid_input", `${field}: expected ${expected}`);

const CANNOT_CONVERT = "the column's type could not convert the value";

/** Runs a function of the application's column type. */
function converted<T>(
  field: string,
  convert: () => T,
  problem = CANNOT_CONVERT,
  code: "invalid_input" | "internal" = "invalid_input",
): T {
  try {
    return convert();
  } catch (thrown) {
    if (thrown instanceof JourneyDbError) throw thrown;
    throw new JourneyDbError(code, `${field}: ${problem}`);
  }
}
