import { beforeAll, describe, expect, it } from "vitest";
import { pages } from "../support/markdown.js";
import { typescriptBlocks } from "../support/typescript-blocks.js";

const typescript = typescriptBlocks(pages);

describe("the TypeScript of README.md, CONTRIBUTING.md and docs/", { timeout: 120_000 }, () => {
  it("compiles", async () => {
    expect(await typescript.compile()).toBe("");
  });

  let output = "";
  beforeAll(async () => {
    output = await typescript.run();
  }, 120_000);

  it.each(typescript.programs)("%s runs on the embedded database", (name) => {
    const [failure] = output.split(/^(?=ran |failed )/m).filter((text) => text.startsWith(`failed ${name} `));
    expect(failure).toBeUndefined();
    expect(output).toContain(`ran ${name}\n`);
  });
});
