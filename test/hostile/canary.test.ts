import { PGlite } from "@electric-sql/pglite";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/pglite";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { defineJourney, forUser, JourneyDbError } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { ownColumns } from "../../src/schema.js";
import {
  CANARIES,
  CANARY,
  CANARY_ID,
  invalid,
  leaks,
  OTHER_ID,
  ownerOf,
  shownOf,
  valid,
} from "../support/canary.js";
import { type Driver, openMigrated, openNodePostgres, openPostgresJs } from "../support/database.js";
import { IN_ROWS } from "../support/layout.js";
import { text } from "../support/messages.js";
import { chats, createChats } from "../support/own-table.js";

/** The code of what the call throws, which must show no canary. */
async function codeOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => expect.fail("the call did not fail"),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(JourneyDbError);
  expect(leaks(shownOf(error))).toEqual([]);
  return (error as JourneyDbError).code;
}

async function everyMethod(db: Database, code: string, before: (tx: Database) => Promise<unknown>) {
  for (const { name, call } of valid) {
    const end = new Error("rolled back");
    const transaction = db.transaction(async (tx) => {
      await before(tx);
      expect(`${name}: ${await codeOf(call(ownerOf(tx)))}`).toBe(`${name}: ${code}`);
      throw end;
    });
    await expect(transaction).rejects.toBe(end);
  }
}

it("an error that holds the canary in any way is found out", () => {
  const hidden = Object.defineProperty(new Error("x"), "detail", { value: { deep: { [CANARY]: 1 } } });
  for (const error of [new Error(CANARY), new Error("x", { cause: new Error(CANARY) }), hidden])
    expect(leaks(shownOf(error))).toContain(CANARY);
  expect(leaks(shownOf({ [Symbol("s")]: CANARIES }))).toEqual(CANARIES);
});

describe.each(["postgres.js", "node-postgres", "PGlite"] as const)("%s", (driver) => {
  // One after the other: while PGlite starts, no other call would be answered in time.
  let database: Promise<Database>;
  beforeAll(async () => {
    database = openMigrated(driver);
    await database;
  });
  // biome-ignore lint/suspicious/noExplicitAny: the types of the messages do not matter here
  const limited = async (options: object): Promise<any> =>
    defineJourney(options).forUser(await database, `user ${CANARY}`);

  it("invalid_input shows nothing of any argument or option", async () => {
    const sessions = ownerOf(await database);
    const codes = new Map<string, string>();
    for (const { name, call } of invalid)
      codes.set(
        name,
        await call(sessions).then(
          () => "done",
          () => codeOf(call(sessions)),
        ),
      );
    expect(Object.fromEntries([...codes].filter(([, code]) => code !== "invalid_input"))).toEqual({});
    const strict = await limited({ unstorable: "reject", phases: ["setup"] });
    for (const code of await Promise.all(
      [
        strict.setPhase(CANARY_ID, CANARY),
        strict.create({ metadata: { [`${CANARY}\0`]: CANARY } }),
        strict.append(CANARY_ID, text("m1", `${CANARY}\ud800`)),
        sessions.append(CANARY_ID, [text(CANARY), text(CANARY)]),
      ].map(codeOf),
    ))
      expect(code).toBe("invalid_input");
    for (const userId of [`${CANARY} `, `${CANARY}\0`, [CANARY], { [CANARY]: CANARY }])
      expect(await codeOf((async () => forUser(await database, userId as never))())).toBe("invalid_input");
    expect(await codeOf((async () => forUser({ [CANARY]: CANARY } as never, CANARY))())).toBe(
      "invalid_input",
    );
  });

  it("not_found, conflict and too_large show nothing of what was asked for or is stored", async () => {
    const sessions = ownerOf(await database);
    const needing = valid.filter(
      ({ verb, onSession, creates }) => onSession && !creates && !/^(get|delete|watch)$/.test(verb),
    );
    for (const { name, call } of needing)
      expect(`${name} ${await codeOf(call(sessions))}`).toBe(`${name} not_found`);
    const stored = { id: CANARY_ID, phase: CANARY, messages: [text(CANARY)], metadata: { [CANARY]: CANARY } };
    await sessions.create(stored);
    expect(await codeOf(sessions.create(stored))).toBe("conflict");
    for (const { name, call } of valid.filter(({ takesRevision }) => takesRevision))
      expect(`${name} ${await codeOf(call(sessions))}`).toBe(`${name} conflict`);
    for (const code of await Promise.all(
      [
        sessions.messages(CANARY_ID, { before: `${CANARY} 3` }),
        sessions.fork(CANARY_ID, { through: `${CANARY} 3` }),
        sessions.append(CANARY_ID, text(`${CANARY} 4`), { from: `${CANARY} 3` }),
      ].map(codeOf),
    ))
      expect(code).toBe("not_found");
    expect(await codeOf(sessions.mergeMetadata(CANARY_ID, {}, { ifMatch: { [CANARY]: "other" } }))).toBe(
      "conflict",
    );
    expect(await codeOf(sessions.fork(CANARY_ID, { id: CANARY_ID }))).toBe("conflict");
    expect(await codeOf(sessions.append(CANARY_ID, text("m1"), { after: `${CANARY} 3` }))).toBe("conflict");
    const long = CANARY.repeat(100);
    for (const small of [
      await limited({ maxSessionBytes: 600 }),
      await limited({ maxSessionBytes: IN_ROWS ? 1_000 : 2_000 }),
    ])
      for (const code of await Promise.all(
        [
          small.append(CANARY_ID, [text(CANARY, long), text(`${CANARY} 5`, long)]),
          small.replaceMessages(CANARY_ID, [text(CANARY, long), text(`${CANARY} 5`, long)]),
          small.mergeMetadata(CANARY_ID, { [CANARY]: [long, long] }),
          small.create({ id: OTHER_ID, metadata: { [CANARY]: [long, long] } }),
        ].map(codeOf),
      ))
        expect(code).toBe("too_large");
    await sessions.deleteAll();
  });

  it("timeout: every method while another transaction is in the way, and after an abort", async () => {
    const db = await database;
    await db.transaction(async (tx) => {
      await tx.execute(sql`lock table journey_sessions in access exclusive mode`);
      const late = valid.map(({ call }) => codeOf(call(ownerOf(db, { timeoutMs: 50 }))));
      expect(await Promise.all(late)).toEqual(valid.map(() => "timeout"));
    });
    const aborted = ownerOf(db, { signal: AbortSignal.abort(new Error(CANARY)) });
    for (const { call } of valid) expect(await codeOf(call(aborted))).toBe("timeout");
    await ownerOf(db).deleteAll();
  });

  it("configuration: every method of a role that may not do it", async () => {
    const db = await database;
    await db.execute(sql.raw(`create role "${CANARY}-${driver}"`));
    await everyMethod(db, "configuration", (tx) =>
      tx.execute(sql.raw(`set local role "${CANARY}-${driver}"`)),
    );
    await db.execute(sql.raw(`drop role "${CANARY}-${driver}"`));
  });

  it("migration: every method without the table or a column", async () => {
    const db = await database;
    for (const change of [
      "drop table journey_sessions cascade",
      `alter table journey_sessions rename user_id to "${CANARY}"`,
    ])
      await everyMethod(db, "migration", (tx) => tx.execute(sql.raw(change)));
  });

  it("internal: every method in a transaction that has failed, and where a trigger tells of the row", async () => {
    const db = await database;
    await everyMethod(db, "internal", (tx) =>
      tx.execute(sql`select ${CANARY}::int`).then(undefined, () => {}),
    );
    const end = new Error("rolled back");
    for (const { name, call } of valid.filter(({ creates }) => creates)) {
      const transaction = db.transaction(async (tx) => {
        await tx.execute(sql`create function refuse() returns trigger language plpgsql as $$ begin
          raise exception 'refused: %', new using detail = new::text, hint = new.user_id;
        end $$`);
        await tx.execute(
          sql`create trigger refuse before insert on journey_sessions for each row execute function refuse()`,
        );
        expect(`${name} ${await codeOf(call(ownerOf(tx)))}`).toBe(`${name} internal`);
        throw end;
      });
      await expect(transaction).rejects.toBe(end);
    }
  });

  it("corrupt: every method that needs what is no array or object", async () => {
    for (const [column, junk] of [
      ["messages", `{"${CANARY}": "${CANARY}"}`],
      ["metadata", `["${CANARY}"]`],
    ]) {
      const unneeded =
        column === "messages"
          ? ["delete", "setPhase", "update", "mergeMetadata", "watch"]
          : ["delete", "messages", "watch"];
      const needing = valid.filter(
        ({ verb, onSession, takesRevision }) =>
          verb === "latest" || (onSession && !takesRevision && !unneeded.includes(verb)),
      );
      const end = new Error("rolled back");
      const transaction = (await database).transaction(async (tx) => {
        await tx.execute(
          sql.raw(
            `alter table journey_sessions drop constraint journey_sessions_${column}_is_${column === "messages" ? "array" : "object"}`,
          ),
        );
        await tx.execute(
          sql.raw(
            `insert into journey_sessions (id, user_id, ${column}) values ('${CANARY_ID}', 'user ${CANARY}', '${junk}')`,
          ),
        );
        for (const { name, call } of needing)
          expect(`${name} ${await codeOf(call(ownerOf(tx)))}`).toBe(`${name} corrupt`);
        throw end;
      });
      await expect(transaction).rejects.toBe(end);
    }
  });

  it("unavailable and configuration: every method if the database cannot be reached or does not exist", async () => {
    const open = await unreachable(driver);
    // A client each, since postgres.js waits longer after each failure.
    for (const { call } of valid) expect(await codeOf(call(ownerOf(open())))).toBe("unavailable");
    for (const db of elsewhere(driver))
      for (const { call } of valid) expect(await codeOf(call(ownerOf(db)))).toBe("configuration");
  });
});

it("no error shows a value of an own column, refused by the package, by the server or by a constraint", async () => {
  const db = await openMigrated("postgres.js");
  await createChats(db);
  // biome-ignore lint/suspicious/noExplicitAny: of wrong types
  const sessions: any = defineJourney({ table: chats }).forUser(db, CANARY);
  const { id } = await sessions.create({ runId: CANARY });
  const { id: other } = await sessions.create({ runId: `${CANARY} 2` });
  const wrong = [
    ...[CANARY, `${CANARY}\0`, [CANARY], [[CANARY]], { [CANARY]: CANARY }, { [CANARY]: () => CANARY }],
    ...[Symbol(CANARY), () => CANARY, new Error(CANARY), [`${CANARY}\ud800`], { toJSON: () => CANARY }],
  ];
  const codes: string[] = [];
  const refused = async (call: Promise<unknown>) => {
    const error = await call.then(
      () => undefined,
      (thrown: JourneyDbError) => thrown,
    );
    if (error === undefined) return;
    codes.push(error.code);
    expect(error).toBeInstanceOf(JourneyDbError);
    expect(leaks(shownOf(error))).toEqual([]);
  };
  for (const [key] of ownColumns(chats))
    for (const value of wrong) {
      const own = { [key]: value };
      await refused(sessions.create({ runId: CANARY_ID, ...own }));
      await refused(sessions.append(OTHER_ID, text("m1"), { create: { runId: CANARY_ID, ...own } }));
      await refused(sessions.update(id, own));
      await refused(sessions.fork(id, { set: own }));
      await refused(sessions.list({ where: own }));
      await refused(sessions.getBy(own));
      for (const made of [CANARY_ID, OTHER_ID]) await sessions.delete(made);
    }
  expect(new Set(codes)).toEqual(new Set(["invalid_input", "conflict"]));
  const calls = [
    sessions.create({ runId: CANARY }),
    sessions.update(other, { runId: CANARY }),
    sessions.fork(id),
    sessions.update(id, { [CANARY]: CANARY }),
    sessions.list({ where: { [CANARY]: CANARY } }),
  ];
  await Promise.all(calls.map(codeOf));
});

/** Opens a database that nobody listens for. */
async function unreachable(driver: Driver): Promise<() => Database> {
  const nowhere = `postgres://${CANARY}-user:${CANARY}@127.0.0.1:1/${CANARY}`;
  if (driver === "postgres.js") return () => openPostgresJs(nowhere);
  if (driver === "node-postgres") return () => openNodePostgres(nowhere);
  const client = new PGlite();
  await client.close();
  return () => drizzle({ client });
}

/** Databases whose server does not know the name. PGlite has no names. */
function elsewhere(driver: Driver): Database[] {
  const url = new URL(inject("serverUrl"));
  url.password = CANARY;
  url.pathname = `/${CANARY}`;
  if (driver === "postgres.js") return [openPostgresJs(url.href)];
  return driver === "node-postgres" ? [openNodePostgres(url.href)] : [];
}
