import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { anchorsOf, blocksOf, pages, readDocument } from "../support/markdown.js";
import { repository } from "../support/packages.js";
import { TSX } from "../support/tools.js";

const { scripts }: { scripts: Record<string, string> } = JSON.parse(readDocument("package.json"));

/** `sh`, `sql` and `dotenv` are run by docs-commands.test.ts, `ts` and `tsx` by docs-code.test.ts; `text` is what a command prints; `diff` is applied by schema-workspace.test.ts; `mermaid` is a picture. */
const LANGUAGES = ["sh", "sql", "dotenv", "text", "ts", "tsx", "json", "diff", "mermaid"];

/** What commands may begin with. */
const COMMANDS =
  /^(npm|git|npx journey-db|npx drizzle-kit|npx vitest run|node scripts\/run\.js|journey-db|pg_dump|psql|export|DATABASE_URL=) ?/;

/** Commands in running text that no test runs, and why. Keep it short. */
const NOT_RUN: Record<string, string> = {
  perf: "a profiler of Linux, for a server under load",
  "npx esbuild": "shows what a bundle weighs; esbuild is no dependency here",
  "node --cpu-prof": "shows what an import takes",
};

/** Pages with long table cells, and why. */
const LONG_CELLS: Record<string, string> = {
  "docs/architecture.md": "architecture.test.ts reads its table",
};

const help = execFileSync(process.execPath, ["--import", TSX, join(repository, "src/cli.ts"), "--help"], {
  encoding: "utf8",
});

describe.each(pages.map((page) => [page, readDocument(page)] as const))("%s", (page, text) => {
  const blocks = blocksOf(text);

  it("names files that exist, and tests that stand in them", () => {
    for (const [, file = "", title] of text.matchAll(/`((?:test|src|bench)\/[\w/.-]+)`(?:: "([^"]+)")?/g)) {
      expect(existsSync(`${repository}${file}`), file).toBe(true);
      // With the closing quote: a title, or the end of one that names the driver or the call first.
      if (title !== undefined) expect(readDocument(file)).toContain(`${title}"`);
    }
  });

  it("has blocks of known languages only, and output only after the commands that print it", () => {
    for (const { lang, value } of blocks) {
      expect(LANGUAGES, value).toContain(lang);
      if (lang === "json") JSON.parse(value);
    }
    const outputs = blocks.filter(({ lang }) => lang === "text").length;
    const shown = blocks.filter(({ lang, output }) => lang === "sh" && output !== undefined).length;
    expect(outputs).toBe(shown);
  });

  it("names commands that exist", () => {
    const prose = [...text.matchAll(/`([^`\n]+(?:\n[^`\n]+)?)`/g)].map(([, code = ""]) => code);
    const shell = blocks.flatMap(({ lang, value }) => (lang === "sh" ? [value] : []));
    const commands = [
      ...shell,
      ...prose.filter((code) => /^(npm|npx|node|perf|pg_dump|psql|journey-db) /.test(code)),
    ];
    for (const command of commands) {
      if (Object.keys(NOT_RUN).some((start) => command.startsWith(start))) continue;
      expect(command).toMatch(COMMANDS);
      for (const [, script = ""] of command.matchAll(/npm run ([\w:-]+)/g))
        expect(scripts).toHaveProperty([script]);
      for (const [, name = ""] of command.matchAll(/journey-db (\w[\w-]*)/g))
        expect(help).toContain(`  ${name} `);
      // `FILE` stands for any.
      for (const [, file = ""] of command.matchAll(/run\.js (?!FILE)(\S+)/g))
        expect(existsSync(`${repository}${file}`), file).toBe(true);
    }
  });

  it("has links that lead somewhere", () => {
    for (const [, link = "", anchor] of text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)) {
      const file = link === "" ? page : join(dirname(page), link);
      expect(existsSync(`${repository}${file}`), file).toBe(true);
      if (anchor) expect(anchorsOf(readDocument(file)), link).toContain(anchor);
    }
  });

  it("has tables that can be read in an editor", () => {
    if (page in LONG_CELLS) return;
    const rows = text.split("\n").filter((line) => /^ *\|/.test(line));
    for (const cell of rows.flatMap((row) => row.split(/(?<!\\)\|/)))
      expect(cell.trim().length, cell).toBeLessThanOrEqual(100);
  });
});

it("guarantees.md names a test for each of its promises", () => {
  const [promises = ""] = readDocument("docs/guarantees.md").split("\n## A long run");
  const [, ...items] = promises.split("\n- ");
  expect(items.length).toBeGreaterThan(100);
  for (const item of items) expect(item).toMatch(/\n {2}- `test\//);
});
