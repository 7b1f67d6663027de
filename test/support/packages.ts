import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, realpathSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { afterAll } from "vitest";
import { repository } from "./tools.js";

export { repository };

/** What a clone has not. */
const GENERATED = new Set([
  "node_modules",
  ".cache",
  "dist",
  "coverage",
  ".git",
  ".journey-db",
  ".stryker-tmp",
]);

/** A folder of its own, removed after the file or the describe block that calls this: never in a hook, where vitest does not hear afterAll. */
export function newFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "journey-db-package-")));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Copies the repository as a clone would have it. */
export async function copyRepository(to: string): Promise<void> {
  const filter = (path: string) =>
    !relative(repository, path)
      .split(sep)
      .some((name) => GENERATED.has(name));
  await cp(repository, to, { recursive: true, filter });
}

/** Packs a clone with the repository's dependencies and answers the tarball's path and its files. */
export async function pack(folder: string): Promise<{ tarball: string; files: string[] }> {
  const clone = join(folder, "clone");
  await copyRepository(clone);
  await symlink(join(repository, "node_modules"), join(clone, "node_modules"), "junction");
  await run(clone, "npm", "pack", "--silent", "--pack-destination", folder);
  const [name = "nothing was packed"] = (await readdir(folder)).filter((file) => file.endsWith(".tgz"));
  const tarball = join(folder, name);
  // Under its name only when it is whole.
  const copy = `${sharedTarball()}-${process.pid}`;
  await cp(tarball, copy);
  await rename(copy, sharedTarball());
  const listing = await run(folder, "tar", "-tzf", tarball);
  return {
    tarball,
    files: listing
      .trim()
      .split("\n")
      .map((file) => file.replace(/^package\//, "")),
  };
}

/** The tarball that another file of this run has packed, or else one that is packed now. */
export async function packedOnce(folder: string): Promise<string> {
  return existsSync(sharedTarball()) ? sharedTarball() : (await pack(folder)).tarball;
}

const sharedTarball = () => join(process.env.TEST_BUILD as string, "package.tgz");

/** Puts packages that the repository has, and that depend on no other, into a project, as an install would. */
export async function addPackages(project: string, ...names: string[]): Promise<void> {
  for (const name of names) {
    const path = join("node_modules", name);
    await cp(join(repository, path), join(project, path), { recursive: true });
  }
}

/** Writes files, JSON where the content is no text. */
export async function write(folder: string, files: Record<string, string | object>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, typeof content === "string" ? content : JSON.stringify(content, null, 2));
  }
}

/** The versions that the repository has installed, so that an install finds them in npm's cache. */
export async function installed<Name extends string>(...names: Name[]): Promise<Record<Name, string>> {
  const versions = names.map(async (name) => {
    const manifestIn = (folder: string) =>
      readFile(join(repository, folder, "node_modules", name, "package.json"), "utf8");
    const manifest = await manifestIn(".").catch(() => manifestIn("test"));
    return [name, JSON.parse(manifest).version];
  });
  return Object.fromEntries(await Promise.all(versions));
}

export const npmInstall = (folder: string, ...args: string[]) =>
  run(folder, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", ...args);

/** What npm says of an install, its warnings included. */
export async function installOutputOf(folder: string): Promise<string> {
  const flags = ["--prefer-offline", "--no-audit", "--no-fund"];
  const shell = process.platform === "win32";
  const { stdout, stderr } = await execute("npm", ["install", ...flags], { cwd: folder, shell });
  return stdout + stderr;
}

const execute = promisify(execFile);

/** Runs a program and answers its output; a failure tells what it printed. */
export async function run(cwd: string, program: string, ...args: string[]): Promise<string> {
  try {
    // Empty means unset: these programs use the embedded database, never a developer's own.
    const env = { ...process.env, DATABASE_URL: "", DIRECT_URL: "" };
    const { stdout } = await execute(program, args, { cwd, env, maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${[program, ...args].join(" ")} failed\n${stdout ?? ""}${stderr ?? String(error)}`);
  }
}
