import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { runIn } from "../support/cli.js";
import { emptyDatabase, rawClient } from "../support/database.js";
import { copyWithOwnColumns, PLACES, workspaceBlocks } from "../support/own-columns-copy.js";
import { newFolder } from "../support/packages.js";

const PROGRAM = `import { connect, forUser } from "./dist/index.js";
const { db, close } = await connect();
const sessions = forUser(db, "user_1");
const { id, orgId, pinned }: { id: string; orgId: string | null; pinned: boolean } = await sessions.create({ orgId: "org_1" });
await sessions.update(id, { pinned: true });
const { sessions: page } = await sessions.list({ where: { pinned: true } });
// @ts-expect-error a column that is not declared
await sessions.create({ organisation: "org_1" }).catch(() => {});
console.log(JSON.stringify({ orgId, pinned, listed: page.map((session) => session.orgId) }));
await close();`;

describe.each(PLACES)("columns in src/schema.ts, %s", { timeout: 240_000 }, (place) => {
  const folder = newFolder();
  let url: string;
  beforeAll(async () => {
    url = await emptyDatabase();
    await copyWithOwnColumns(folder, place);
  }, 60_000);

  test("docs/schema.md's commands add them, and verify has no finding", async () => {
    for (const { value } of workspaceBlocks.filter(({ lang }) => lang === "sh")) {
      const ended = await runIn(folder, { DATABASE_URL: url }, "bash", "-e", "-c", value);
      expect(ended, value).toMatchObject({ status: 0 });
      expect(ended.stdout).toMatch(/^applied 0\d+_own_columns$/m);
      expect(ended.stdout).not.toMatch(/^(error|warning|note) /m);
      expect(ended.stdout).toMatch(/^ok /m);
    }
    const stored = await rawClient(
      url,
    )`select column_name, data_type, is_nullable from information_schema.columns
      where table_name = 'journey_sessions' and column_name in ('org_id', 'pinned') order by 1`;
    expect(stored).toEqual([
      { column_name: "org_id", data_type: "text", is_nullable: "YES" },
      { column_name: "pinned", data_type: "boolean", is_nullable: "NO" },
    ]);
  });

  test("the build knows their types, and the calls store and return them", async () => {
    writeFileSync(join(folder, "program.ts"), PROGRAM);
    const options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2023", "--module", "nodenext"];
    const tsc = join(folder, "node_modules/typescript/bin/tsc");
    const checked = await runIn(
      folder,
      {},
      process.execPath,
      tsc,
      ...options,
      "--ignoreConfig",
      "program.ts",
    );
    expect(checked).toMatchObject({ status: 0, stdout: "" });
    const run = ["scripts/run.js", "program.ts"];
    const { stdout } = await runIn(folder, { DATABASE_URL: url }, process.execPath, ...run);
    expect(JSON.parse(stdout)).toEqual({ orgId: "org_1", pinned: false, listed: ["org_1"] });
  });
});
