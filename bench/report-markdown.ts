import { markdownTable } from "markdown-table";

/** What a table says of each row: a heading, and the cell. The first column names the row. */
export type Column<Row> = [heading: string, cell: (row: Row) => string];

const safe = (cell: string) => cell.replaceAll("|", "\\|").replace(/\s+/g, " ");

/** A table with its figures at the right; nothing where there are no rows. */
export function table<Row>(rows: Row[], columns: Column<Row>[], texts = 1): string {
  if (rows.length === 0) return "";
  const cells = rows.map((row) => columns.map(([, cell]) => safe(cell(row))));
  return markdownTable([columns.map(([heading]) => safe(heading)), ...cells], {
    align: columns.map((_, n) => (n < texts ? "l" : "r")),
  });
}

/** Left out where it is empty. */
type Block = string | false | undefined;

/** A heading with what belongs below it; nothing where none of it is there. */
export function section(heading: string, ...blocks: Block[]): string {
  return blocks.some((block) => block) ? joined(heading, ...blocks) : "";
}

export const joined = (...blocks: Block[]): string => blocks.filter((block) => block).join("\n\n");

/** A table that is there for whoever looks for it. */
export const folded = (summary: string, body: string): string =>
  body && `<details>\n<summary>${summary}</summary>\n\n${body}\n\n</details>`;
