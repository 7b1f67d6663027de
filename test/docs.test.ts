import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (name: string) => readFileSync(`${root}${name}`, "utf8");
const pages = readdirSync(`${root}docs`).filter((name) => name.endsWith(".md"));
const { scripts }: { scripts: Record<string, string> } = JSON.parse(read("package.json"));

describe.each(pages.map((page) => [`docs/${page}`, read(`docs/${page}`)] as const))("%s", (_, text) => {
  it("names files that exist, and tests that stand in them", () => {
    for (const [, file = "", title] of text.matchAll(/`(test\/[\w/.-]+)`(?:: "([^"]+)")?/g)) {
      expect(existsSync(`${root}${file}`), file).toBe(true);
      // With the closing quote: a title, or the end of one that names the driver or the call first.
      if (title !== undefined) expect(read(file)).toContain(`${title}"`);
    }
  });

  it("names commands that exist", () => {
    for (const [, script = ""] of text.matchAll(/npm run ([\w:]+)/g))
      expect(scripts).toHaveProperty([script]);
    if (/`npm test`/.test(text)) expect(scripts).toHaveProperty("test");
  });
});

it("guarantees.md names a test for each of its promises", () => {
  const [promises = ""] = read("docs/guarantees.md").split("\n## A long run");
  const rows = promises.split("\n").filter((line) => /^\| (?!promise|---)/.test(line));
  expect(rows.length).toBeGreaterThan(25);
  for (const row of rows) expect(row).toMatch(/\| `test\//);
});
