import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll } from "vitest";
import { type Block, readDocument } from "./markdown.js";
import { repository } from "./packages.js";
import { TSX } from "./tools.js";

/** A block that begins with a path is a file of the application's; all others run as they are. */
const pathOf = ({ value }: Block) => /^\/\/ ([\w./[\]-]+\.tsx?)/.exec(value)?.[1];

/** What the application has and this package does not need. */
const APPLICATION = `declare module "@clerk/nextjs/server" { export function auth(): Promise<{ userId: string | null }> }
declare module "next/navigation" { export function notFound(): never }
declare module "next/server" { export function after(promise: Promise<unknown>): void }
declare module "server-only" {}`;

/** What a block that is no file of the application's may use without saying where it is from. */
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

/** The TypeScript blocks of a document, as the files of an application that imports this package from its source. */
export interface TypeScriptBlocks {
  /** The names of the files that run as they are. */
  runnable: string[];
  /** What tsc says of them, with the document's line numbers. Empty where they compile. */
  compile(): string;
  /** Runs them one after the other on an embedded database, each with a session of its own, and answers what they print. */
  run(): string;
}

/**
 * Writes the blocks into a folder, gone after the file.
 *
 * @param first the number of blocks that open the database themselves, and make its table
 */
export function typescriptBlocks(blocks: Block[], { first }: { first: number }): TypeScriptBlocks {
  const typescript = blocks.filter(({ lang }) => lang === "ts" || lang === "tsx");
  // Below test/, so that its packages are found, and not in node_modules, where tsx reads no paths.
  mkdirSync(join(repository, "test/.cache"), { recursive: true });
  const folder = mkdtempSync(join(repository, "test/.cache/blocks-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  const nameOf = (block: Block) => pathOf(block) ?? `line-${block.line}.${block.lang}`;
  const runnable = typescript.filter((block) => pathOf(block) === undefined).map(nameOf);

  write("tsconfig.json", JSON.stringify(tsconfigFor(folder)));
  write("package.json", '{ "type": "module" }');
  write("application.d.ts", APPLICATION);
  write("names.d.ts", NAMES);
  // As many blank lines before it as in the document, so that an error names its line there.
  for (const block of typescript) {
    const end = pathOf(block) ? "" : "\nexport {};";
    write(nameOf(block), "\n".repeat(block.line - 1) + block.value + end);
  }
  write("run.ts", programOf(runnable.slice(0, first), runnable.slice(first)));

  return {
    runnable,
    compile() {
      try {
        return execFileSync(join(repository, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
      } catch (error) {
        return (error as { stdout: string }).stdout;
      }
    },
    run() {
      const { DATABASE_URL, ...env } = process.env;
      return execFileSync(process.execPath, ["--import", TSX, join(folder, "run.ts")], {
        cwd: folder,
        encoding: "utf8",
        env: { ...env, TSX_TSCONFIG_PATH: join(folder, "tsconfig.json") },
        stdio: ["ignore", "pipe", "pipe"],
      });
    },
  };
}

function tsconfigFor(folder: string) {
  const { exports }: { exports: Record<string, { default: string }> } = JSON.parse(
    readDocument("package.json"),
  );
  return {
    extends: join(repository, "tsconfig.json"),
    compilerOptions: {
      jsx: "react-jsx",
      lib: ["es2023", "ES2024.String", "dom"],
      module: "esnext",
      moduleResolution: "bundler",
      noUnusedLocals: false,
      paths: {
        // The package's own entry points, from source.
        ...Object.fromEntries(
          Object.entries(exports).map(([entry, { default: file }]) => [
            join("@aigos/journey-db", entry),
            [join(repository, file.replace("dist", "src").replace(/js$/, "ts"))],
          ]),
        ),
        "@/*": [join(folder, "*")],
        "drizzle-kit": [join(repository, "scripts/node_modules/drizzle-kit")],
      },
    },
    include: [".", join(repository, "src/*.d.ts")],
  };
}

const programOf = (first: string[], rest: string[]) => `import { connect, forUser } from "@aigos/journey-db";
import { migrate } from "@aigos/journey-db/migrate";
const text = (id: string, content: string) => ({ id, role: "user" as const, parts: [{ type: "text", text: content }] });
const run = async (file: string) => {
  await import("./" + file);
  console.log("ran", file);
};
for (const file of ${JSON.stringify(first)}) await run(file);
const { db, close } = await connect();
await migrate(db);
const sessions = forUser(db, "user_2abc");
const known = { db, sessions, userId: "user_2abc", message: text("m1", "Hello"), answer: text("m2", "Hi"), edited: text("m3", "Hello!") };
for (const file of ${JSON.stringify(rest)}) {
  const { id } = await sessions.create({ messages: [known.message] });
  Object.assign(globalThis, known, { id });
  await run(file);
}
await close();`;
