import { randomUUID } from "node:crypto";
import { cp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { migrationFaults } from "../../scripts/migration-faults.js";
import { newFolder, repository } from "../support/packages.js";

describe.each([
  { of: "main", source: "drizzle", generate: "npm run generate" },
  { of: "message-rows", source: "drizzle/message-rows", generate: "npm run generate:message-rows" },
  { of: "durable-replies", source: "drizzle/durable-replies", generate: "npm run generate:durable-replies" },
] as const)("the gate on the migrations: $of", ({ of, source, generate }) => {
  const parent = newFolder();
  let folder: string;
  beforeEach(async () => {
    folder = join(parent, randomUUID());
    await cp(join(repository, source), folder, { recursive: true });
  });

  /** Changes a file of meta/; `newest` is the newest snapshot. */
  async function edit(name: "_journal.json" | "newest", change: (content: never) => void): Promise<void> {
    const { entries } = JSON.parse(await readFile(join(folder, "meta/_journal.json"), "utf8"));
    const snapshot = `${String(entries.length - 1).padStart(4, "0")}_snapshot.json`;
    const file = join(folder, "meta", name === "newest" ? snapshot : name);
    const content = JSON.parse(await readFile(file, "utf8"));
    change(content as never);
    await writeFile(file, JSON.stringify(content));
  }

  test("passes what is there", () => {
    expect(migrationFaults(folder, of)).toEqual([]);
  });

  test("does not mind the snapshot's ids", async () => {
    await edit("newest", (snapshot: { id: string; prevId: string }) => {
      snapshot.id = snapshot.prevId = "00000000-0000-0000-0000-000000000001";
    });
    expect(migrationFaults(folder, of)).toEqual([]);
  });

  test("sees a schema that the newest snapshot has not, and says what to run", async () => {
    await edit("newest", (snapshot: { tables: Record<string, { isRLSEnabled: boolean }> }) => {
      for (const table of Object.values(snapshot.tables)) table.isRLSEnabled = false;
    });
    expect(migrationFaults(folder, of)).toEqual([expect.stringContaining(`${generate} -- --name=`)]);
  });

  test("sees a file that the journal does not list", async () => {
    await writeFile(join(folder, "9999_forgotten.sql"), "select 1;");
    expect(migrationFaults(folder, of)).toEqual([
      expect.stringContaining("9999_forgotten.sql is not in the journal"),
    ]);
  });

  test("sees an entry whose file is missing", async () => {
    const [first = ""] = (await readdir(folder)).toSorted();
    await rename(join(folder, first), join(folder, `${first}.txt`));
    expect(migrationFaults(folder, of)).toEqual([expect.stringContaining(`${first} is missing`)]);
  });

  test("sees an entry that is not later than the one before", async () => {
    await edit("_journal.json", ({ entries }: { entries: { when: number }[] }) => {
      const [first, second] = entries;
      if (first && second) second.when = first.when;
    });
    expect(migrationFaults(folder, of)).toEqual([expect.stringContaining("is not later than")]);
  });

  test("sees that the newest snapshot is missing", async () => {
    const { entries } = JSON.parse(await readFile(join(folder, "meta/_journal.json"), "utf8"));
    const newest = String(entries.at(-1).idx).padStart(4, "0");
    await rm(join(folder, "meta", `${newest}_snapshot.json`));
    expect(migrationFaults(folder, of)).toEqual([expect.stringContaining(`${newest}_snapshot.json`)]);
  });

  test("sees an empty journal", async () => {
    await edit("_journal.json", (journal: { entries: unknown[] }) => {
      journal.entries = [];
    });
    expect(migrationFaults(folder, of)).not.toEqual([]);
  });
});
