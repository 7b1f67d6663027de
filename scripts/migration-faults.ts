import { existsSync, readdirSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { generateDrizzleJson } from "drizzle-kit/api";
import * as durableReplies from "../src/durable-replies/declared.js";
import * as messageRows from "../src/message-rows/declared.js";
import * as main from "../src/schema-zod.js";

interface Entry {
  idx: number;
  when: number;
  tag: string;
}

/** What each folder's migrations create, and the script that generates them. */
const FOLDERS = {
  main: { schema: main, file: "src/schema-zod.ts", generate: "npm run generate" },
  "message-rows": {
    schema: messageRows,
    file: "src/message-rows/table.ts",
    generate: "npm run generate:message-rows",
  },
  "durable-replies": {
    schema: durableReplies,
    file: "src/durable-replies/tables.ts",
    generate: "npm run generate:durable-replies",
  },
};

const readJson = (file: string) => JSON.parse(readFileSync(file, "utf8"));

/** A snapshot without the ids, which are random, and without what JSON does not hold. */
function content(snapshot: object): unknown {
  const { id, prevId, ...rest } = JSON.parse(JSON.stringify(snapshot));
  return rest;
}

/**
 * What is wrong with the migrations of a folder that has those of `of`, each with its remedy. `drizzle-kit check` sees none
 * of it, and `drizzle-kit generate` exits with 0 even where it needed an answer.
 */
export function migrationFaults(folder: string, of: keyof typeof FOLDERS = "main"): string[] {
  const { schema, file: declares, generate } = FOLDERS[of];
  const { entries }: { entries: Entry[] } = readJson(`${folder}/meta/_journal.json`);
  const newest = entries.at(-1);
  if (!newest) return [`${folder}/meta/_journal.json lists nothing. Run: ${generate} -- --name=create`];
  const faults: string[] = [];

  const files = readdirSync(folder).filter((name) => name.endsWith(".sql"));
  for (const { tag } of entries) {
    if (!files.includes(`${tag}.sql`)) {
      faults.push(`The journal lists ${tag}, but ${folder}/${tag}.sql is missing. Restore the file.`);
    }
  }
  for (const file of files) {
    if (!entries.some(({ tag }) => `${tag}.sql` === file)) {
      faults.push(
        `${folder}/${file} is not in the journal, so it never runs. Delete it, and make it again: ${generate} -- --custom --name=…`,
      );
    }
  }
  for (const [n, { tag, when }] of entries.entries()) {
    const before = entries[n - 1];
    if (before && when <= before.when) {
      faults.push(
        `The journal's date of ${tag} is not later than that of ${before.tag}, so drizzle-kit would leave it out where that one was applied. Make ${tag} again, after the other.`,
      );
    }
  }

  const snapshot = `${folder}/meta/${String(newest.idx).padStart(4, "0")}_snapshot.json`;
  if (!existsSync(snapshot)) {
    faults.push(`${snapshot} of ${newest.tag} is missing. Restore the file.`);
  } else if (!isDeepStrictEqual(content(generateDrizzleJson(schema)), content(readJson(snapshot)))) {
    faults.push(`${declares} declares what no migration makes. Run: ${generate} -- --name=what_changes`);
  }
  return faults;
}
