import { chmodSync, existsSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import type {} from "vitest";
import type { TestProject } from "vitest/node";
import { migrate } from "../../src/maintenance/migrate.js";
import { build } from "./build.js";
import { startServer } from "./child-server.js";
import { TEMPLATES, type Template } from "./templates.js";

declare module "vitest" {
  interface ProvidedContext {
    /** The server, its maintenance database. */
    serverUrl: string;
    /** For each layout a database with all its migrations, to be cloned; also one with the tables of durable replies. */
    templates: Record<Template, string>;
  }
}

/**
 * Where there is plenty of room in memory, temporary files go there: embedded databases of 40 MB are copied all the time.
 *
 * @returns the removal of what the run has left there
 */
function keepFilesInMemory(): () => void {
  const memory = "/dev/shm";
  if (process.env.TMPDIR !== undefined || !existsSync(memory)) return () => {};
  const { bavail, bsize } = statfsSync(memory);
  if (bavail * bsize <= 8 * 2 ** 30) return () => {};
  const folder = mkdtempSync(`${memory}/journey-db-run-`);
  // Programs that a test runs as another user make their files in it too.
  chmodSync(folder, 0o1777);
  process.env.TMPDIR = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}

/**
 * One server and one migrated template database for the whole run, whichever of its projects comes first;
 * TEST_DATABASE_URL names another server.
 */
export default async function setup({ vitest }: TestProject) {
  const run = vitest.getRootProject();
  if (run.getProvidedContext().serverUrl !== undefined) return;
  const removals = [keepFilesInMemory(), await build()];
  const removeFiles = () => {
    for (const remove of removals) remove();
  };
  // Also where the run is interrupted.
  process.once("exit", removeFiles);
  const given = process.env.TEST_DATABASE_URL;
  const server = given ? { url: given, stop: async () => {} } : await startServer();
  const admin = postgres(server.url, { max: 1, onnotice: () => {} });
  const templates = Object.fromEntries(
    Object.keys(TEMPLATES).map((key) => [key, `journey_db_template_${process.pid}_${key.toLowerCase()}`]),
  ) as Record<Template, string>;
  for (const [key, optional] of Object.entries(TEMPLATES)) {
    const name = templates[key as Template];
    await admin.unsafe(`create database ${name}`);
    const url = new URL(server.url);
    url.pathname = `/${name}`;
    const client = postgres(url.href, { max: 1, onnotice: () => {} });
    await migrate(drizzle({ client }), { with: optional });
    await client.end();
  }
  run.provide("serverUrl", server.url);
  run.provide("templates", templates);
  return async () => {
    for (const name of Object.values(templates))
      await admin.unsafe(`drop database if exists ${name} with (force)`);
    await admin.end();
    await server.stop();
    removeFiles();
  };
}
