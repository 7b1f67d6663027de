import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromMarkdown } from "mdast-util-from-markdown";
import { afterAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (name: string) => readFileSync(join(root, name), "utf8");
const {
  scripts,
  exports,
}: { scripts: Record<string, string>; exports: Record<string, { default: string }> } = JSON.parse(
  read("package.json"),
);

interface Block {
  lang: string;
  value: string;
  /** The line of README.md that the block's first line is. */
  line: number;
}

const blocks: Block[] = fromMarkdown(read("README.md")).children.flatMap((node) =>
  node.type === "code"
    ? [{ lang: node.lang ?? "", value: node.value, line: (node.position?.start.line ?? 0) + 1 }]
    : [],
);
const typescript = blocks.filter(({ lang }) => lang === "ts" || lang === "tsx");

/** A block that begins with a path is a file of the application's; all others run as they are. */
const pathOf = ({ value }: Block) => /^\/\/ ([\w./[\]-]+\.tsx?)/.exec(value)?.[1];
const runnable = typescript.filter((block) => pathOf(block) === undefined);

// Below the repository, so that its packages are found, and not in node_modules, where tsx reads no paths.
mkdirSync(join(root, ".cache"), { recursive: true });
const folder = mkdtempSync(join(root, ".cache/readme-"));
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string) => {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
};

write(
  "tsconfig.json",
  JSON.stringify({
    extends: join(root, "tsconfig.json"),
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
            [join(root, file.replace("dist", "src").replace(/js$/, "ts"))],
          ]),
        ),
        "@/*": [join(folder, "*")],
      },
    },
    include: [".", join(root, "src/*.d.ts")],
  }),
);
write("package.json", '{ "type": "module" }');
// What the application has and this package does not need.
write(
  "application.d.ts",
  `declare module "@clerk/nextjs/server" { export function auth(): Promise<{ userId: string | null }> }
   declare module "next/navigation" { export function notFound(): never }
   declare module "server-only" {}`,
);
write(
  "names.d.ts",
  `import type { Database, JourneyMessage, JourneyMetadata, UserSessions } from "@aigos/journey-db";
   declare global {
     const db: Database;
     const userId: string;
     const sessions: UserSessions<JourneyMessage, JourneyMetadata, string>;
     const id: string;
     const message: JourneyMessage;
     const answer: JourneyMessage;
     const edited: JourneyMessage;
   }`,
);
const nameOf = (block: Block) => pathOf(block) ?? `line-${block.line}.${block.lang}`;
// As many blank lines before it as in README.md, so that an error names its line there.
for (const block of typescript) {
  const end = pathOf(block) ? "" : "\nexport {};";
  write(nameOf(block), "\n".repeat(block.line - 1) + block.value + end);
}
write(
  "run.ts",
  `import { connect, forUser } from "@aigos/journey-db";
   const text = (id: string, content: string) => ({ id, role: "user" as const, parts: [{ type: "text", text: content }] });
   const [first, ...rest] = ${JSON.stringify(runnable.map(nameOf))} as [string, ...string[]];
   const run = async (file: string) => {
     await import("./" + file);
     console.log("ran", file);
   };
   // It opens the embedded database itself, and makes the table.
   await run(first);
   const { db, close } = await connect();
   const sessions = forUser(db, "user_2abc");
   const known = { db, sessions, userId: "user_2abc", message: text("m1", "Hello"), answer: text("m2", "Hi"), edited: text("m3", "Hello!") };
   for (const file of rest) {
     const { id } = await sessions.create({ messages: [known.message] });
     Object.assign(globalThis, known, { id });
     await run(file);
   }
   await close();`,
);

describe("README.md", () => {
  it("has code blocks of known languages only", () => {
    expect(new Set(blocks.map(({ lang }) => lang))).toEqual(new Set(["sh", "ts", "tsx", "json"]));
    expect(runnable.length).toBeGreaterThan(15);
  });

  it("its TypeScript compiles", () => {
    const errors = (() => {
      try {
        return execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
      } catch (error) {
        return (error as { stdout: string }).stdout;
      }
    })();
    expect(errors).toBe("");
  });

  it("its programs run, on the embedded database", { timeout: 120_000 }, () => {
    const { DATABASE_URL, ...env } = process.env;
    const output = execFileSync(process.execPath, ["--import", "tsx", join(folder, "run.ts")], {
      cwd: folder,
      encoding: "utf8",
      env: { ...env, TSX_TSCONFIG_PATH: join(folder, "tsconfig.json") },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const block of runnable) expect(output).toContain(`ran ${nameOf(block)}\n`);
  });

  it("its JSON is JSON", () => {
    for (const { lang, value } of blocks) if (lang === "json") JSON.parse(value);
  });

  it("its commands exist", () => {
    const shell = blocks.filter(({ lang }) => lang === "sh").map(({ value }) => value);
    const prose = [...read("README.md").matchAll(/`((?:npm|npx|journey-db)[^`]+)`/g)].map(
      ([, command]) => command,
    );
    const commands = [...shell, ...prose].join("\n");
    for (const [, script = ""] of commands.matchAll(/npm run ([\w:]+)/g))
      expect(scripts).toHaveProperty([script]);
    const help = execFileSync(process.execPath, ["--import", "tsx", join(root, "src/cli.ts"), "--help"], {
      encoding: "utf8",
    });
    for (const [, command = ""] of commands.matchAll(/journey-db (\w+)/g)) expect(help).toContain(command);
  });

  it("its links lead somewhere", () => {
    const headings = [...read("README.md").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\w\s-]/g, "")
        .replaceAll(" ", "-"),
    );
    for (const [, anchor] of read("README.md").matchAll(/\]\(#([^)]*)\)/g))
      expect(headings).toContain(anchor);
  });
});
