import * as z from "zod";
import { phaseSchema } from "../messages.js";
import type { Database } from "../model/database.js";
import { isExactTime } from "../model/time.js";
import { isObject, type Unstorable } from "./json.js";

/** The settings of an application for its sessions. */
export interface JourneyOptions<Message, Metadata, Phase extends string> {
  /** The application's own message schema, checked in addition to the structure. Its input is stored, not its output. */
  message?: z.ZodType<unknown, Message> | undefined;
  /**
   * The application's own schema of the whole metadata object. `mergeMetadata` checks only the keys of its patch, not
   * rules about the whole object (a refinement, a union). A session that `append` creates may have `{}`, so any key
   * may be absent when you read it.
   */
  metadata?: z.ZodType<unknown, Metadata> | undefined;
  /** All phases; a new session starts in the first. @default any text, starting in "setup" */
  phases?: readonly Phase[] | undefined;
  /**
   * Maximum size of a conversation, and of metadata, in bytes as jsonb: 1–268,435,455. A value that is more than twice
   * as large as text (1e308 has 309 digits in PostgreSQL) is added only if the whole stays within twice the limit as
   * text, so no text that is read exceeds four times the limit. @default 8 MiB
   */
  maxSessionBytes?: number | undefined;
  /** Whether to replace text that jsonb cannot store (U+0000, lone surrogates) with U+FFFD, or refuse it. @default "replace" */
  unstorable?: Unstorable | undefined;
  /** Milliseconds after which a call rejects: 1–2,147,483,647. @default 15000 */
  timeoutMs?: number | undefined;
  /** Set to false for node-postgres behind a transaction pooler, where named statements fail. @default true */
  prepare?: boolean | undefined;
}

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

const zodSchema = custom<z.ZodType>(
  "a zod schema",
  (given) => typeof (given as z.ZodType | null)?.safeParse === "function",
).optional();

/** Not z.array, which would visit every element before the size is checked. */
export const arraySchema = custom<unknown[]>("array", Array.isArray);

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
const timeoutMs = z.int().min(1).max(0x7fffffff);

/** The options of defineJourney. */
export const journeyOptionsSchema = options<JourneyOptions<unknown, unknown, string>>()({
  message: zodSchema,
  metadata: zodSchema,
  phases: z.array(phaseSchema).min(1).optional(),
  maxSessionBytes: z.int().min(1).max(LARGEST_JSONB).default(DEFAULT_SESSION_BYTES),
  unstorable: z.enum(["replace", "reject"]).default("replace"),
  timeoutMs: timeoutMs.default(15_000),
  prepare: z.boolean().default(true),
});

/** The options of forUser. */
export const requestOptionsSchema = options<RequestOptions>()({
  timeoutMs: timeoutMs.optional(),
  signal: z.instanceof(AbortSignal).optional(),
});

/** The options of a write that has only `ifRevision`. */
export const onlyIfRevision = options<{ ifRevision?: string }>()({ ifRevision: ifRevisionSchema });
