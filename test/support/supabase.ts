import { readFileSync } from "node:fs";
import postgres, { type Sql } from "postgres";
import { startServer } from "./child-server.js";
import { atEnd } from "./database.js";

/**
 * A PostgreSQL server of the test file's own: roles belong to a server, and Supabase's would show in
 * every other file's database.
 */
export async function startSupabaseServer(): Promise<URL> {
  const { url, stop } = await startServer();
  atEnd(stop);
  return new URL(url);
}

/** legacy: everything new in public is granted to the API's roles. explicit: nothing is. */
export type Grants = "legacy" | "explicit";

/** The fixture is a psql script; this is what psql would send of it. */
function rolesScript(grants: Grants, owner: string): string {
  const branches: boolean[] = [];
  const kept: string[] = [];
  for (const line of readFileSync(new URL("../fixtures/supabase-roles.sql", import.meta.url), "utf8").split(
    "\n",
  )) {
    const [, command, condition] = /^\s*\\(\w+)\s*(.*)$/.exec(line) ?? [];
    if (command === "if") branches.push(condition !== ":grants_legacy" || grants === "legacy");
    else if (command === "else") branches.push(!branches.pop());
    else if (command === "endif") branches.pop();
    else if (command === undefined && !line.includes("\\gset") && !branches.includes(false)) kept.push(line);
  }
  return kept.join("\n").replaceAll(':"owner"', `"${owner}"`);
}

/**
 * A database as of a Supabase project: its roles and grants, owned by a role `owner` that, as
 * Supabase's `postgres`, is no superuser. Answers its URL for the role given, and a superuser's client.
 */
export async function supabaseDatabase(
  server: URL,
  name: string,
  grants: Grants,
): Promise<{ urlAs: (role: string) => string; sql: Sql }> {
  const admin = postgres(server.href, { max: 1, onnotice: () => {} });
  const [found] = await admin`select from pg_roles where rolname = 'owner'`;
  if (!found) await admin`create role owner login`;
  await admin.unsafe(`create database ${name} owner owner template template0`);
  await admin.end();
  const urlAs = (role: string) => {
    const url = new URL(server);
    url.pathname = `/${name}`;
    url.username = role;
    return url.href;
  };
  const sql = postgres(urlAs("postgres"), { max: 1, onnotice: () => {} });
  atEnd(() => sql.end());
  await sql.unsafe(rolesScript(grants, "owner"));
  return { urlAs, sql };
}
