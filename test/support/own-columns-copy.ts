import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { blocksOf, readDocument } from "./markdown.js";
import { copyRepository, repository } from "./packages.js";

/** Where the columns `org_id` and `pinned` are added to `src/schema.ts`. */
export const PLACES = ["as docs/schema.md shows", "between the package's columns"] as const;

export const workspaceBlocks = blocksOf(readDocument("docs/schema.md")).filter(
  ({ section }) => section === "Your first column",
);

/** Replaces the lines of a diff that begin with a space or a minus by those that begin with a space or a plus. */
function applied(source: string, diff: string): string {
  const linesOf = (kept: RegExp) =>
    diff
      .split("\n")
      .filter((line) => kept.test(line))
      .map((line) => line.slice(1))
      .join("\n");
  const parts = source.split(linesOf(/^[ -]/));
  if (parts.length !== 2) throw new Error(`the file does not contain this once:\n${linesOf(/^[ -]/)}`);
  return parts.join(linesOf(/^[ +]/));
}

/** A copy of the repository with two columns more in `src/schema.ts`, and with the repository's packages. */
export async function copyWithOwnColumns(to: string, place: (typeof PLACES)[number]): Promise<void> {
  await copyRepository(to);
  for (const folder of [".", "scripts", "test"])
    symlinkSync(join(repository, folder, "node_modules"), join(to, folder, "node_modules"), "junction");
  const file = join(to, "src/schema.ts");
  const [imports = "", table = ""] = workspaceBlocks.flatMap(({ lang, value }) =>
    lang === "diff" ? [value] : [],
  );
  const source = applied(readFileSync(file, "utf8"), imports);
  const columns = [...table.matchAll(/^\+( {2}\w+: .*,)$/gm)].map(([, line]) => line).join("\n");
  const changed =
    place === "as docs/schema.md shows"
      ? applied(source, table)
      : source.replace(/^ {2}messages: /m, (line) => `${columns}\n${line}`);
  writeFileSync(file, changed);
}
