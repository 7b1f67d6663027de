import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import type {} from "vitest";
import type { TestProject } from "vitest/node";
import { migrate } from "../../src/migrate.js";

declare module "vitest" {
  interface ProvidedContext {
    /** The server, its maintenance database. */
    serverUrl: string;
    /** A database with all migrations, to be cloned. */
    template: string;
  }
}

/** Starts the tests' own PostgreSQL in a child process; closing its stdin stops it. */
async function startServer(): Promise<{ url: string; stop: () => Promise<void> }> {
  const script = fileURLToPath(new URL("postgres-server.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", script], {
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const lines = createInterface({ input: child.stdout });
  const url = await new Promise<string>((resolve, reject) => {
    lines.once("line", resolve);
    child.once("exit", (status) => reject(new Error(`the test server ended with status ${status}`)));
  });
  const stop = async () => {
    child.stdin.end();
    await ended;
  };
  return { url, stop };
}

/** One server and one migrated template database for the whole run; TEST_DATABASE_URL names another server. */
export default async function setup({ provide }: TestProject) {
  const given = process.env.TEST_DATABASE_URL;
  const server = given ? { url: given, stop: async () => {} } : await startServer();
  const template = `journey_db_template_${process.pid}`;
  const admin = postgres(server.url, { max: 1, onnotice: () => {} });
  await admin.unsafe(`create database ${template}`);
  const templateUrl = new URL(server.url);
  templateUrl.pathname = `/${template}`;
  const client = postgres(templateUrl.href, { max: 1, onnotice: () => {} });
  await migrate(drizzle({ client }));
  await client.end();
  provide("serverUrl", server.url);
  provide("template", template);
  return async () => {
    await admin.unsafe(`drop database if exists ${template} with (force)`);
    await admin.end();
    await server.stop();
  };
}
