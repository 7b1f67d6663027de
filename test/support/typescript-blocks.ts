import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { afterAll } from "vitest";
import { embeddedIn } from "./embedded.js";
import { type Block, blocksOf, readDocument } from "./markdown.js";
import { repository } from "./packages.js";
import { TSX } from "./tools.js";

/** A block that begins with a path is a file of an application; every other block is a program. */
const pathOf = ({ value }: Block) => /^\/\/ ([\w./[\]-]+\.tsx?)/.exec(value)?.[1];

/** A program that opens the embedded database itself, which only one connection can have open. */
const opens = ({ value }: Block) => /\bawait connect\(/.test(value);

/** What an application has installed and this package has not. */
const STUBS: Record<string, string> = {
  "@clerk/nextjs/server": `export const auth = async (): Promise<{ userId: string | null }> => ({ userId: "user_2abc" });`,
  "next/navigation": `export function notFound(): never { throw new Error("notFound"); }`,
  "next/server": "export const after = (_task: Promise<unknown>): void => {};",
  "server-only": "export {};",
};

/** What a program may use without declaring it. */
const NAMES = `import type { Database, JourneyMessage, JourneyMetadata, UserSessions } from "@aigos/journey-db";
declare global {
  const db: Database;
  const userId: string;
  const sessions: UserSessions<JourneyMessage, JourneyMetadata, string>;
  const id: string;
  const message: JourneyMessage;
  const answer: JourneyMessage;
  const edited: JourneyMessage;
}`;

/** The TypeScript blocks of documents, as files that import this package from its source. */
export interface TypeScriptBlocks {
  /** The programs, e.g. `docs/api/line-12.ts`. */
  programs: string[];
  /** What tsc prints, with the documents' line numbers; empty if all blocks compile. */
  compile(): Promise<string>;
  /** Runs the programs one after the other on one embedded database, each with a session of its own. Returns what they print. */
  run(): Promise<string>;
  /** Runs a program of the test's in a document's folder. Returns what it prints. */
  runIn(page: string, program: string): Promise<string>;
}

/** Writes the blocks into a folder for each document. They are removed after the test file. */
export function typescriptBlocks(pages: readonly string[]): TypeScriptBlocks {
  // Below test/, so that its packages are found, and not in node_modules, where tsx ignores `paths`.
  mkdirSync(join(repository, "test/.cache"), { recursive: true });
  const folder = mkdtempSync(join(repository, "test/.cache/blocks-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  const folderOf = (page: string) => page.replace(/\.md$/, "");
  const own: string[] = [];
  const others: string[] = [];

  write("tsconfig.json", JSON.stringify(tsconfigFor(folder)));
  write("package.json", '{ "type": "module" }');
  write("names.d.ts", NAMES);
  for (const [name, text] of Object.entries(STUBS)) write(`stubs/${name}.ts`, text);
  for (const page of pages) {
    for (const block of blocksOf(readDocument(page))) {
      if (block.lang !== "ts" && block.lang !== "tsx") continue;
      const path = pathOf(block);
      const name = join(folderOf(page), path ?? `line-${block.line}.${block.lang}`);
      if (path === undefined) (opens(block) ? own : others).push(name);
      // Each document is an application of its own, with its own `@/`.
      const root = relative(dirname(name), folderOf(page)) || ".";
      const value = block.value.replace(/(from|import) "@\//g, (_, word) => `${word} "./${root}/`);
      // As many blank lines before it as in the document, so that an error names its line there.
      write(name, "\n".repeat(block.line - 1) + value + (path === undefined ? "\nexport {};" : ""));
    }
  }
  write("run.ts", programOf(own, others));

  let database: Promise<unknown> | undefined;
  const runFile = async (file: string) => {
    database ??= embeddedIn(folder);
    await database;
    const { DATABASE_URL, ...env } = process.env;
    const { stdout } = await promisify(execFile)(process.execPath, ["--import", TSX, join(folder, file)], {
      cwd: folder,
      env: { ...env, TSX_TSCONFIG_PATH: join(folder, "tsconfig.json") },
    });
    return stdout;
  };
  return {
    programs: [...own, ...others],
    compile: () =>
      promisify(execFile)(join(repository, "node_modules/.bin/tsc"), ["-p", folder]).then(
        ({ stdout }) => stdout,
        (error: { stdout: string }) => error.stdout,
      ),
    run: () => runFile("run.ts"),
    runIn(page, program) {
      const name = join(folderOf(page), `test-${basename(folder)}.ts`);
      write(name, program);
      return runFile(name);
    },
  };
}

function tsconfigFor(folder: string) {
  const { exports }: { exports: Record<string, { default: string }> } = JSON.parse(
    readDocument("package.json"),
  );
  const entries = Object.entries(exports).map(([entry, { default: file }]) => [
    join("@aigos/journey-db", entry),
    [join(repository, file.replace("dist", "src").replace(/js$/, "ts"))],
  ]);
  const stubs = Object.keys(STUBS).map((name) => [name, [join(folder, "stubs", `${name}.ts`)]]);
  return {
    extends: join(repository, "tsconfig.json"),
    compilerOptions: {
      jsx: "react-jsx",
      lib: ["es2023", "ES2024.String", "dom"],
      module: "esnext",
      moduleResolution: "bundler",
      noUnusedLocals: false,
      paths: {
        ...Object.fromEntries([...entries, ...stubs]),
        "drizzle-kit": [join(repository, "scripts/node_modules/drizzle-kit")],
      },
    },
    include: [".", join(repository, "src/**/*.d.ts")],
  };
}

const programOf = (own: string[], others: string[]) => `import { connect, forUser } from "@aigos/journey-db";
import { migrate } from "@aigos/journey-db/migrate";
const text = (id: string, content: string) => ({ id, role: "user" as const, parts: [{ type: "text", text: content }] });
const run = async (file: string) => {
  try {
    await import("./" + file);
    console.log("ran", file);
  } catch (error) {
    console.log("failed", file, error);
  }
};
for (const file of ${JSON.stringify(own)}) await run(file);
const { db, close } = await connect();
await migrate(db);
const sessions = forUser(db, "user_2abc");
const known = { db, sessions, userId: "user_2abc", message: text("m1", "Hello"), answer: text("m2", "Hi"), edited: text("m3", "Hello!") };
for (const file of ${JSON.stringify(others)}) {
  const { id } = await sessions.create({ messages: [known.message] });
  Object.assign(globalThis, known, { id });
  await run(file);
}
await close();`;
