import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { blocksOf, readDocument } from "./support/markdown.js";
import { repository } from "./support/packages.js";
import { TSX } from "./support/tools.js";

const pages = readdirSync(`${repository}docs`).filter((name) => name.endsWith(".md"));
const { scripts }: { scripts: Record<string, string> } = JSON.parse(readDocument("package.json"));

/** `sh`, `sql` and `dotenv` are run by docs-commands.test.ts, `ts` and `tsx` by docs-code.test.ts; `text` is what a command prints. */
const LANGUAGES = ["sh", "sql", "dotenv", "text", "ts", "tsx", "json"];

/** Commands in running text that no test runs, and why. Keep it short. */
const NOT_RUN: Record<string, string> = {
  perf: "a profiler of Linux, for a server under load",
  "npx esbuild": "shows what a bundle weighs; esbuild is no dependency here",
  "node --cpu-prof": "shows what an import takes",
};

const help = execFileSync(process.execPath, ["--import", TSX, join(repository, "src/cli.ts"), "--help"], {
  encoding: "utf8",
});

/** As GitHub makes them. */
const anchorsOf = (text: string) =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, "")
      .replaceAll(" ", "-"),
  );

describe.each(pages.map((page) => [`docs/${page}`, readDocument(`docs/${page}`)] as const))(
  "%s",
  (_, text) => {
    it("names files that exist, and tests that stand in them", () => {
      for (const [, file = "", title] of text.matchAll(/`((?:test|src|bench)\/[\w/.-]+)`(?:: "([^"]+)")?/g)) {
        expect(existsSync(`${repository}${file}`), file).toBe(true);
        // With the closing quote: a title, or the end of one that names the driver or the call first.
        if (title !== undefined) expect(readDocument(file)).toContain(`${title}"`);
      }
    });

    it("has blocks of known languages only, and output only after the commands that print it", () => {
      for (const { lang, value } of blocksOf(text)) {
        expect(LANGUAGES, value).toContain(lang);
        if (lang === "json") JSON.parse(value);
      }
      const blocks = blocksOf(text);
      const outputs = blocks.filter(({ lang }) => lang === "text").length;
      const shown = blocks.filter(({ lang, output }) => lang === "sh" && output !== undefined).length;
      expect(outputs).toBe(shown);
    });

    it("names commands that exist", () => {
      const prose = [...text.matchAll(/`([^`\n]+(?:\n[^`\n]+)?)`/g)].map(([, code = ""]) => code);
      const shell = blocksOf(text).flatMap(({ lang, value }) => (lang === "sh" ? [value] : []));
      const commands = [
        ...shell,
        ...prose.filter((code) => /^(npm|npx|node|perf|pg_dump|psql|journey-db) /.test(code)),
      ];
      for (const command of commands) {
        if (Object.keys(NOT_RUN).some((start) => command.startsWith(start))) continue;
        expect(command).toMatch(
          /^(npm|git|npx journey-db|node scripts\/run\.js bench|journey-db|pg_dump|psql|export) ?/,
        );
        for (const [, script = ""] of command.matchAll(/npm run ([\w:]+)/g))
          expect(scripts).toHaveProperty([script]);
        for (const [, name = ""] of command.matchAll(/journey-db (\w[\w-]*)/g))
          expect(help).toContain(`  ${name} `);
        for (const [, file = ""] of command.matchAll(/run\.js (\S+)/g))
          expect(existsSync(`${repository}${file}`), file).toBe(true);
      }
    });

    it("has links that lead somewhere", () => {
      for (const [, page = "", anchor] of text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)) {
        const file = page === "" ? undefined : join("docs", page);
        if (file) expect(existsSync(`${repository}${file}`), file).toBe(true);
        if (anchor) expect(anchorsOf(file ? readDocument(file) : text)).toContain(anchor);
      }
    });
  },
);

it("guarantees.md names a test for each of its promises", () => {
  const [promises = ""] = readDocument("docs/guarantees.md").split("\n## A long run");
  const [, ...items] = promises.split("\n- ");
  expect(items.length).toBeGreaterThan(100);
  for (const item of items) expect(item).toMatch(/\n {2}- `test\//);
});
