import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** The example's folder. */
export const EXAMPLE = fileURLToPath(new URL("../..", import.meta.url));

/** The command line of Next.js. */
export const NEXT = createRequire(import.meta.url).resolve("next/dist/bin/next");

/** This process's environment for Next.js: as in production, and with the scripted model. */
export function environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { DATABASE_URL: _, DIRECT_URL: __, AI_GATEWAY_API_KEY: ___, ...inherited } = process.env;
  return { ...inherited, NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1", ...more };
}
