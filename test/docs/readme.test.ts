import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { blocksOf, readDocument } from "../support/markdown.js";
import { repository } from "../support/packages.js";
import { TSX } from "../support/tools.js";
import { typescriptBlocks } from "../support/typescript-blocks.js";

const readme = readDocument("README.md");
const { scripts }: { scripts: Record<string, string> } = JSON.parse(readDocument("package.json"));
const blocks = blocksOf(readme);
// The first one opens the embedded database itself.
const typescript = typescriptBlocks(blocks, { first: 1 });

describe("README.md", () => {
  it("has code blocks of known languages only", () => {
    expect(new Set(blocks.map(({ lang }) => lang))).toEqual(new Set(["sh", "ts", "tsx", "json"]));
    expect(typescript.runnable.length).toBeGreaterThan(15);
  });

  it("its TypeScript compiles", () => {
    expect(typescript.compile()).toBe("");
  });

  it("its programs run, on the embedded database", { timeout: 120_000 }, () => {
    const output = typescript.run();
    for (const name of typescript.runnable) expect(output).toContain(`ran ${name}\n`);
  });

  it("its JSON is JSON", () => {
    for (const { lang, value } of blocks) if (lang === "json") JSON.parse(value);
  });

  it("its commands exist", () => {
    const shell = blocks.filter(({ lang }) => lang === "sh").map(({ value }) => value);
    const prose = [...readme.matchAll(/`((?:npm|npx|journey-db)[^`]+)`/g)].map(([, command]) => command);
    const commands = [...shell, ...prose].join("\n");
    for (const [, script = ""] of commands.matchAll(/npm run ([\w:]+)/g))
      expect(scripts).toHaveProperty([script]);
    const help = execFileSync(process.execPath, ["--import", TSX, join(repository, "src/cli.ts"), "--help"], {
      encoding: "utf8",
    });
    for (const [, command = ""] of commands.matchAll(/journey-db (\w[\w-]*)/g))
      expect(help).toContain(`  ${command} `);
  });

  it("its links lead somewhere", () => {
    const headings = [...readme.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\w\s-]/g, "")
        .replaceAll(" ", "-"),
    );
    for (const [, anchor] of readme.matchAll(/\]\(#([^)]*)\)/g)) expect(headings).toContain(anchor);
  });
});
