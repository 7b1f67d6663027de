import * as z from "zod";
import { phaseSchema } from "../messages.js";
import type { Database } from "../model/database.js";
import { isExactTime } from "../model/time.js";
import { isObject, type Unstorable } from "./json.js";

/** What an application says once about its sessions. */
export interface JourneyOptions<Message, Metadata, Phase extends string> {
  /** The application's own message schema, checked beside the structure. What is stored is the input, not its output. */
  message?: z.ZodType<unknown, Message> | undefined;
  /**
   * The application's own metadata schema, of a whole object. mergeMetadata checks the keys of its
   * patch; a rule about the object as a whole (a refinement, a union) is not asked there. A session
   * that `append` makes starts with `{}`, so each key may be absent when it is read.
   */
  metadata?: z.ZodType<unknown, Metadata> | undefined;
  /** All phases; a new session starts in the first. @default any text, starting in "setup" */
  phases?: readonly Phase[] | undefined;
  /**
   * Largest conversation, and largest metadata, in bytes as jsonb: 1–268,435,455. What takes more than twice
   * its size as text (1e308 is 309 digits in PostgreSQL) is added only while all is within twice the limit as
   * text, so no text that is read exceeds four times the limit. @default 8 MiB
   */
  maxSessionBytes?: number | undefined;
  /** Text that jsonb cannot hold (U+0000, lone surrogates): stored with U+FFFD in its place, or refused. @default "replace" */
  unstorable?: Unstorable | undefined;
  /** Milliseconds after which a call ends for the caller: 1–2,147,483,647. @default 15000 */
  timeoutMs?: number | undefined;
  /** False where node-postgres goes through a transaction pooler: named statements fail there. @default true */
  prepare?: boolean | undefined;
}

/** What one request says about its handle. */
export interface RequestOptions {
  /** Ends all calls of the handle, with code `timeout`. */
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
}

/** A revision, where one is asked for. */
export const ifRevisionSchema = z
  .string()
  .refine(isExactTime, {
    params: { expected: "a revision that a session had, unchanged" },
  })
  .optional();

/** Sessions that one call returns. */
export const sessionLimit = z.int().min(1).max(100).default(20);

/** What is searched for. */
export const searchTextSchema = z.string().min(1).max(1000);

const zodSchema = z
  .custom<z.ZodType>((given) => typeof (given as z.ZodType | null)?.safeParse === "function", {
    params: { expected: "a zod schema" },
  })
  .optional();

/** Not z.array, which would walk all of what it is given, before anything is refused. */
export const arraySchema = z.custom<unknown[]>(Array.isArray, { params: { expected: "array" } });

export const databaseSchema = z.custom<Database>(
  (given) =>
    typeof (given as Database | null)?.select === "function" &&
    typeof (given as Database).insert === "function",
  { params: { expected: "a Drizzle PostgreSQL database or transaction" } },
);

/** Options are a plain object. A Map, or a Promise that was not awaited, has no keys: its preconditions would count for none. */
// biome-ignore lint/suspicious/noExplicitAny: what it is beside an object is for the next schema to say
export const plainObjectSchema = z.custom<any>(isObject, { params: { expected: "object" } });

/** Options, with each key of the interface and no other. Left out, they are `{}`; null is never a way to say so. */
export const options =
  <Options>() =>
  <Shape extends Record<keyof Options, z.ZodType>>(
    shape: Shape & Record<Exclude<keyof Shape, keyof Options>, never>,
  ) =>
    plainObjectSchema.default({}).pipe(z.strictObject(shape as Shape));

/** Bytes of the largest jsonb value (https://www.postgresql.org/docs/current/datatype-json.html and jsonb.h, JENTRY_OFFLENMASK). */
export const LARGEST_JSONB = 0x0fffffff;

/** What a session may take where the application says nothing else. */
export const DEFAULT_SESSION_BYTES = 8 * 1024 * 1024;

/** Milliseconds that a timer can wait. */
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

/** The options of a write that has no others. */
export const onlyIfRevision = options<{ ifRevision?: string }>()({ ifRevision: ifRevisionSchema });
