import * as z from "zod";
import type { Database } from "../model/database.js";
import { isExactTime } from "../model/time.js";
import { isObject } from "./json.js";

/** The options of one handle. */
export interface RequestOptions {
  /** Ends all calls of the handle, with code `timeout`. */
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
}

/** Checks a value that zod has no schema for. `expected` is shown in an error. */
export const custom = <T>(expected: string, isValid: (given: unknown) => boolean) =>
  z.custom<T>(isValid, { params: { expected } });

/** An optional expected revision. */
export const ifRevisionSchema = z
  .string()
  .refine(isExactTime, { params: { expected: "a revision that a session had, unchanged" } })
  .optional();

/** The maximum number of sessions that one call returns. */
export const sessionLimit = z.int().min(1).max(100).default(20);

export const searchTextSchema = z.string().min(1).max(1000);

export const zodSchema = custom<z.ZodType>(
  "a zod schema",
  (given) => typeof (given as z.ZodType | null)?.safeParse === "function",
).optional();

/** Not z.array, which would visit every element before the size is checked. */
export const arraySchema = custom<unknown[]>("array", Array.isArray);

/** An array that is not empty. */
export const atLeastOne = (expected: string) =>
  arraySchema.refine(({ length }) => length > 0, { params: { expected } });

export const databaseSchema = custom<Database>(
  "a Drizzle PostgreSQL database or transaction",
  (given) =>
    typeof (given as Database | null)?.select === "function" &&
    typeof (given as Database).insert === "function",
);

/** A Map, or a Promise that was not awaited, has no own keys: its preconditions would be ignored. */
// biome-ignore lint/suspicious/noExplicitAny: the next schema checks the keys
export const plainObjectSchema = custom<any>("object", isObject);

/** A schema with exactly the keys of the interface. Undefined becomes `{}`; null is refused. */
export const options =
  <Options>() =>
  <Shape extends Record<keyof Options, z.ZodType>>(
    shape: Shape & Record<Exclude<keyof Shape, keyof Options>, never>,
  ) =>
    plainObjectSchema.default({}).pipe(z.strictObject(shape as Shape));

/** Bytes of the largest jsonb value (https://www.postgresql.org/docs/current/datatype-json.html and jsonb.h, JENTRY_OFFLENMASK). */
export const LARGEST_JSONB = 0x0fffffff;

/** The default of `maxSessionBytes`. */
export const DEFAULT_SESSION_BYTES = 8 * 1024 * 1024;

/** Milliseconds, up to the longest delay of a timer. */
export const timeoutMs = z.int().min(1).max(0x7fffffff);

/** Not what has the prototype only: reading any of its properties throws. */
export const signalSchema = custom<AbortSignal>("AbortSignal", (given) => {
  try {
    return given instanceof AbortSignal && typeof given.aborted === "boolean";
  } catch {
    return false;
  }
}).optional();

/** The options of forUser. */
export const requestOptionsSchema = options<RequestOptions>()({
  timeoutMs: timeoutMs.optional(),
  signal: signalSchema,
});

/** The options of a write that has only `ifRevision`. */
export const onlyIfRevision = options<{ ifRevision?: string }>()({ ifRevision: ifRevisionSchema });

/** Migrations that are applied only where `with` names them. Each has a folder of its name in `drizzle/`. */
export const OPTIONAL = ["message-rows", "durable-replies"] as const;
export type OptionalMigrations = (typeof OPTIONAL)[number];

export const withSchema = z.array(z.enum(OPTIONAL)).default([]);
