import * as z from "zod";
import { $ZodAsyncError } from "zod/v4/core";
import { JourneyDbError } from "../model/errors.js";
import { pathOf } from "./json.js";

const UNITS: Record<string, string> = { string: " characters", array: " elements", object: " keys" };
const unitOf = (origin: string) => UNITS[origin] ?? "";

/** The form of an option's name. Any other key is probably from a value passed in place of options, and is not shown. */
const OPTION = /^[a-z_$][\w$]{0,39}$/i;

/** @param keys of options, or of a message passed in their place, whose keys a user may have written */
function named(keys: readonly string[]): string {
  if (keys.includes("parts") || keys.includes("role")) return "";
  const shown = keys.filter((key) => OPTION.test(key)).slice(0, 3);
  return shown.length === 0 ? "" : `: ${shown.map((key) => `"${key}"`).join(", ")}`;
}

/** What was expected. zod's own message may repeat the input, so it is not used. */
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

/** The keys of an object schema, and of what `options` returns. */
function ownKeys(schema: z.ZodType): ReadonlySet<string> {
  const object = schema instanceof z.ZodPipe ? schema.out : schema;
  return new Set(object instanceof z.ZodObject ? Object.keys(object.shape) : []);
}

/**
 * Checks `value` and returns the schema's output.
 *
 * @param field the name of the value in an error
 * @param userKeys for messages, metadata and requests, whose keys a user may have written: an error shows these keys
 *   only. Without it a programmer wrote the value, and an error also names keys that the schema does not expect.
 * @param concerns returns false for issues to ignore
 * @throws JourneyDbError invalid_input with the field and the expectation, never the value
 */
export function parse<T>(
  schema: z.ZodType<T>,
  value: unknown,
  field = "options",
  userKeys?: ReadonlySet<string>,
  concerns: (issue: z.core.$ZodIssue) => boolean = () => true,
): T {
  let result: z.ZodSafeParseResult<T>;
  let issue: z.core.$ZodIssue | undefined;
  try {
    result = schema.safeParse(value);
    // Inside the try: zod reads the value again to build the issues.
    issue = result.success ? undefined : result.error.issues.find(concerns);
  } catch (error) {
    const asynchronous = error instanceof $ZodAsyncError;
    const why = asynchronous ? "expected a synchronous schema" : "could not be read";
    throw new JourneyDbError("invalid_input", `${field}: ${why}`);
  }
  if (issue) {
    const knownKeys = userKeys ?? ownKeys(schema);
    const path = issue.path.map((step) =>
      typeof step === "number" || knownKeys.has(String(step)) ? (step as string | number) : "<key>",
    );
    throw new JourneyDbError("invalid_input", `${pathOf(field, path)}: ${expectationOf(issue, !userKeys)}`);
  }
  return result.data as T;
}

/** All property names that the schema declares. A developer wrote them, so an error may show them. */
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
    // JSON Schema cannot express every schema. It still checks messages; errors just show fewer keys.
  }
  return keys;
}
