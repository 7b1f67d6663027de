import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromMarkdown } from "mdast-util-from-markdown";
import { repository } from "./packages.js";

export const readDocument = (name: string) => readFileSync(join(repository, name), "utf8");

/** The documents, from the root of the repository. */
export const pages: readonly string[] = [
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md"],
  ...readdirSync(join(repository, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** The anchors of a document's headings, as GitHub makes them. */
export const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, "")
      .replaceAll(" ", "-"),
  );

/** A fenced block of a document. */
export interface Block {
  lang: string;
  value: string;
  /** The line of the document that the block's first line is. */
  line: number;
  /** The `##` heading it stands under; empty above the first. */
  section: string;
  /** The `text` block right after it. */
  output: string | undefined;
  /** The source of what stands right after it. */
  after: string;
}

/** The fenced blocks of a document, in order. */
export function blocksOf(text: string): Block[] {
  let section = "";
  const { children } = fromMarkdown(text);
  return children.flatMap((node, index) => {
    const source = (at: number) => {
      const { position } = children[at] ?? {};
      return text.slice(position?.start.offset ?? 0, position ? position.end.offset : 0);
    };
    if (node.type === "heading" && node.depth === 2) section = source(index).replace(/^#+\s*/, "");
    if (node.type !== "code") return [];
    const next = children[index + 1];
    return {
      lang: node.lang ?? "",
      value: node.value,
      line: (node.position?.start.line ?? 0) + 1,
      section,
      output: next?.type === "code" && next.lang === "text" ? next.value : undefined,
      after: source(index + 1),
    };
  });
}

/** The rows of the table that stands under a heading, without its header, each a list of its cells. */
export function tableUnder(text: string, heading: string): string[][] {
  const [, under = ""] = text.split(`\n## ${heading}\n`);
  const table = /^\|.*(?:\n\|.*)*/m.exec(under.split("\n## ")[0] ?? "");
  if (!table) throw new Error(`there is no table under "${heading}"`);
  const [, , ...rows] = table[0].split("\n");
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}
