import * as z from "zod";

/** Migrations that are applied only where `with` names them. Each has a folder of its name in `drizzle/`. */
export const OPTIONAL = ["message-rows"] as const;
export type OptionalMigrations = (typeof OPTIONAL)[number];

export const withSchema = z.array(z.enum(OPTIONAL)).default([]);
