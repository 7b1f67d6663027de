import * as z from "zod";
import { $ZodAsyncError } from "zod/v4/core";
import { JourneyDbError } from "../model/errors.js";
import { pathOf } from "./json.js";

const UNITS: Record<string, string> = { string: " characters", array: " elements", object: " keys" };
const unitOf = (origin: string) => UNITS[origin] ?? "";

/** As an option is written. Anything else is rather a value that was passed in place of options, and is not shown. */
const OPTION = /^[a-z_$][\w$]{0,39}$/i;

/** @param keys of an object of options, or of a message in its place, whose keys a user may have written */
function named(keys: readonly string[]): string {
  if (keys.includes("parts") || keys.includes("role")) return "";
  const shown = keys.filter((key) => OPTION.test(key)).slice(0, 3);
  return shown.length === 0 ? "" : `: ${shown.map((key) => `"${key}"`).join(", ")}`;
}

/** What a zod issue says was expected. Its own message may repeat the input, so it is not used. */
function expectationOf(issue: z.core.$ZodIssue, namesKeys: boolean): string {
  switch (issue.code) {
    case "invalid_type":
      return `expected ${issue.expected}`;
    case "invalid_value":
      return `expected ${issue.values.map((value) => (typeof value === "string" ? JSON.stringify(value) : String(value))).join(" or ")}`;
    case "invalid_format":
      return issue.format === "guid"
        ? "expected 8-4-4-4-12 hexadecimal digits"
        : `expected the format ${issue.format}`;
    case "too_small":
      return `expected ${issue.inclusive ? "at least" : "more than"} ${issue.minimum}${unitOf(issue.origin)}`;
    case "too_big":
      return `expected ${issue.inclusive ? "at most" : "less than"} ${issue.maximum}${unitOf(issue.origin)}`;
    case "unrecognized_keys":
      return `has a key that is not expected here${namesKeys ? named(issue.keys) : ""}`;
    case "custom":
      return typeof issue.params?.expected === "string"
        ? `expected ${issue.params.expected}`
        : "refused by a rule of the application's schema";
    default:
      return "refused by the application's schema";
  }
}

/**
 * Checks `value` and answers the schema's output.
 *
 * @param field what the value is called in an error
 * @param knownKeys keys that an error may show; numbers are shown always
 * @param concerns leaves out issues for which it answers false
 * @throws JourneyDbError invalid_input, naming the field and what was expected, never the value
 */
export function parse<T>(
  schema: z.ZodType<T>,
  value: unknown,
  field: string,
  knownKeys: ReadonlySet<string>,
  concerns: (issue: z.core.$ZodIssue) => boolean = () => true,
  namesKeys = false,
): T {
  let result: z.ZodSafeParseResult<T>;
  let issue: z.core.$ZodIssue | undefined;
  try {
    result = schema.safeParse(value);
    // Here, since zod looks at the value once more when it is asked for the issues.
    issue = result.success ? undefined : result.error.issues.find(concerns);
  } catch (error) {
    const asynchronous = error instanceof $ZodAsyncError;
    const why = asynchronous ? "expected a schema that is synchronous" : "could not be read";
    throw new JourneyDbError("invalid_input", `${field}: ${why}`);
  }
  if (issue) {
    const path = issue.path.map((step) =>
      typeof step === "number" || knownKeys.has(String(step)) ? (step as string | number) : "<key>",
    );
    throw new JourneyDbError("invalid_input", `${pathOf(field, path)}: ${expectationOf(issue, namesKeys)}`);
  }
  return result.data as T;
}

/**
 * As parse, of options: a key that is not expected is named, since a programmer wrote it. Never of
 * messages or metadata, whose keys a user may have written.
 */
export const parseOptions = <T>(
  schema: z.ZodType<T>,
  value: unknown,
  field: string,
  knownKeys: ReadonlySet<string>,
): T => parse(schema, value, field, knownKeys, undefined, true);

/** Every property name that the schema declares: written by a developer, so an error may show it. None where zod cannot tell. */
export function declaredKeys(schema: z.ZodType | undefined): string[] {
  if (!schema) return [];
  const keys: string[] = [];
  try {
    const json = z.toJSONSchema(schema, { unrepresentable: "any", io: "input", cycles: "ref" });
    JSON.stringify(json, (key, item: unknown) => {
      if (key === "properties" && typeof item === "object" && item) keys.push(...Object.keys(item));
      return item;
    });
  } catch {
    // A schema that JSON Schema cannot express checks messages all the same.
  }
  return keys;
}
