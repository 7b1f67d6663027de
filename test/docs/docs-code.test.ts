import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { blocksOf, readDocument } from "../support/markdown.js";
import { repository } from "../support/packages.js";
import { typescriptBlocks } from "../support/typescript-blocks.js";

const pages = readdirSync(`${repository}docs`)
  .filter((name) => name.endsWith(".md"))
  .map((name) => `docs/${name}`)
  .filter((page) => blocksOf(readDocument(page)).some(({ lang }) => lang === "ts"));

it("there is code in the docs", () => {
  expect(pages).toContain("docs/operations.md");
});

describe.each(pages)("%s", (page) => {
  const typescript = typescriptBlocks(blocksOf(readDocument(page)), { first: 0 });

  it("its TypeScript compiles", () => {
    expect(typescript.compile()).toBe("");
  });

  it("its programs run, on the embedded database", { timeout: 120_000 }, () => {
    const output = typescript.run();
    for (const name of typescript.runnable) expect(output).toContain(`ran ${name}\n`);
  });
});
