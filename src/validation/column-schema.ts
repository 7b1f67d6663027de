import { is } from "drizzle-orm";
import { PgArray, type PgColumn } from "drizzle-orm/pg-core";
import * as z from "zod";

/** The limits of the integer types. */
const INTEGERS: Record<string, [least: number, most: number]> = {
  PgSmallInt: [-0x8000, 0x7fff],
  PgSmallSerial: [-0x8000, 0x7fff],
  PgInteger: [-0x80000000, 0x7fffffff],
  PgSerial: [-0x80000000, 0x7fffffff],
  PgBigInt53: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  PgBigSerial53: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};
const LARGEST_BIGINT = 2n ** 63n - 1n;

const number = z.number();
const JSON_ARRAY: Record<string, z.ZodType> = {
  PgPointTuple: z.tuple([number, number]),
  PgGeometry: z.tuple([number, number]),
  PgLine: z.tuple([number, number, number]),
  PgPointObject: z.object({ x: number, y: number }),
  PgGeometryObject: z.object({ x: number, y: number }),
  PgLineABC: z.object({ a: number, b: number, c: number }),
};

interface Sized {
  length?: number | undefined;
  dimensions?: number | undefined;
  size?: number | undefined;
}

/**
 * The values of a column that is not null: what drizzle-zod's schema of it accepts, a test compares the two. Not drizzle-zod
 * itself, which imports all of zod: a bundle of this package would grow from 257 to 618 kB.
 *
 * Two types accept more, since PostgreSQL does: a number of any size is a `real` or a `double precision`, and any UUID is
 * a `uuid`. JSON is checked where it is converted.
 */
export function columnSchema(column: PgColumn): z.ZodType {
  const { columnType, dataType, enumValues } = column;
  const { length, dimensions, size } = column as Sized;
  if (enumValues && enumValues.length > 0) return z.enum(enumValues as [string, ...string[]]);
  if (is(column, PgArray)) {
    const items = z.array(columnSchema(column.baseColumn as PgColumn).nullable());
    return size === undefined ? items : items.length(size);
  }
  const known = JSON_ARRAY[columnType];
  if (known) return known;
  if (columnType === "PgVector" || columnType === "PgHalfVector") {
    return dimensions === undefined ? z.array(number) : z.array(number).length(dimensions);
  }
  switch (dataType) {
    case "number": {
      const limits = INTEGERS[columnType];
      return limits ? z.int().min(limits[0]).max(limits[1]) : number;
    }
    case "bigint":
      return z
        .bigint()
        .min(-LARGEST_BIGINT - 1n)
        .max(LARGEST_BIGINT);
    case "boolean":
      return z.boolean();
    case "date":
      return z.date();
    case "array":
      return z.array(z.unknown());
    case "string":
      if (columnType === "PgUUID") return z.guid();
      if (columnType === "PgChar" && length !== undefined) return z.string().length(length);
      if (columnType === "PgBinaryVector")
        return z
          .string()
          .regex(/^[01]+$/)
          .max(dimensions ?? Number.POSITIVE_INFINITY);
      return length === undefined ? z.string() : z.string().max(length);
    default:
      return z.unknown();
  }
}
