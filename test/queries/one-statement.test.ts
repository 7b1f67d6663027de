import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { Cache } from "drizzle-orm/cache/core";
import { withReplicas } from "drizzle-orm/pg-core";
import { drizzle } from "drizzle-orm/postgres-js";
import { beforeAll, describe, expect, it } from "vitest";
import { defineJourney, forUser } from "../../src/index.js";
import { migratedDatabase, newUser, openNodePostgres, rawClient } from "../support/database.js";
import { IN_ROWS } from "../support/layout.js";
import { text } from "../support/messages.js";
import { allStatements, SEVEN_COLUMNS } from "../support/statements.js";
import { CASES, CATALOGUES, type Catalogue, conversation, unstored } from "../support/verbs.js";

const url = await migratedDatabase();

const sent: string[] = [];
const logger = { logQuery: (query: string) => void sent.push(query) };
const db = drizzle({ client: rawClient(url, { max: 1 }), logger });

describe("one statement a call", () => {
  const sessions = forUser(db, newUser());

  describe.each(Object.entries(CATALOGUES))("%s", (_, catalogue) => {
    beforeAll(() => catalogue.createIn(db));
    const own = catalogue.forUser(defineJourney)(db, newUser());

    it.each(catalogue.cases)("$name", async ({ call }) => {
      const given = await catalogue.conversation(own);
      sent.length = 0;
      await call(own, given);
      expect(sent).toHaveLength(1);
    });
  });

  it.each(["get", "delete", "search"])("%s that finds nothing", async (name) => {
    sent.length = 0;
    await CASES.find((one) => one.name === name)?.call(forUser(db, newUser()), unstored());
    expect(sent).toHaveLength(1);
  });

  it("two where a write is refused: the second tells why", async () => {
    sent.length = 0;
    await expect(sessions.setPhase(randomUUID(), "review")).rejects.toMatchObject({ code: "not_found" });
    expect(sent).toHaveLength(2);
    expect(sent[1]).toMatch(/^select/);
  });
});

describe("the cases of the verbs", () => {
  /** Sent by no call of the application's. */
  const OTHERS = {
    import: "the command line's",
    imported: "the command line's",
    held_elsewhere: "the chat's, by a symbol",
    import_rows: "the command line's",
    move_to_rows: "for a session in the column",
    move_to_rows_refusal: "convertLayout's",
    move_to_column: "convertLayout's",
    move_to_column_refusal: "convertLayout's",
  };

  it("are of every method of a handle", () => {
    const methods = Object.keys(forUser(db, newUser())).toSorted();
    const calledOn = ({ cases }: Catalogue) => [...new Set(cases.map(({ verb }) => verb))].toSorted();
    expect(calledOn(CATALOGUES["a table with own columns"])).toEqual(methods);
    // Without own columns there is nothing to look for.
    expect(calledOn(CATALOGUES["the default table"])).toEqual(methods.filter((name) => name !== "getBy"));
  });

  it("send every statement, with those that tell why a write was refused", async () => {
    const own = openNodePostgres(url, { max: 1 });
    for (const { call } of CASES) {
      const owner = newUser();
      const given = await conversation(forUser(db, owner));
      // Another user's session; then the owner's, whose new one is there at the second call.
      for (const user of [newUser(), owner, owner]) await call(forUser(own, user), given).catch(() => {});
    }
    const prepared = await own.select({ name: sql<string>`name` }).from(sql`pg_prepared_statements`);
    // With messages in rows, those of the column are sent for sessions that cannot be moved.
    const ofColumn =
      /^(append|create|export|fork|get|latest|messages|replace_messages|search|truncate)(_(?!rows)|$)/;
    const expected = [
      ...(await allStatements(SEVEN_COLUMNS, IN_ROWS ? ["queries", "message-rows"] : ["queries"])).keys(),
    ]
      .filter((name) => !(name in OTHERS) && !(IN_ROWS && ofColumn.test(name) && !name.includes("_rows")))
      .map((name) => `journey_db_${name}`);
    // Those of several shapes have a checksum at the end.
    const names = prepared.map(({ name }) =>
      expected.includes(name) ? name : name.replace(/_\w{1,7}$/, ""),
    );
    expect([...new Set(names)].toSorted()).toEqual(expected.toSorted());
  });
});

describe("prepared on the server", () => {
  it("once for each handle of the same database", async () => {
    const client = rawClient(url, { max: 1 });
    const own = drizzle({ client });
    for (const user of [newUser(), newUser()]) {
      const sessions = forUser(own, user);
      for (const _ of [1, 2, 3]) await sessions.append(randomUUID(), text("m1"), { create: true });
    }
    const prepared =
      await client`select statement from pg_prepared_statements where statement like 'with %insert into "journey_sessions"%'`;
    expect(prepared).toHaveLength(1);
  });

  it("each under a name that says which it is, and that PostgreSQL does not cut", async () => {
    for (const name of (await allStatements(SEVEN_COLUMNS)).keys()) {
      expect(`journey_db_${name}`).toMatch(/^journey_db(_[a-z]+)+$/);
      expect(`journey_db_${name}`.length).toBeLessThanOrEqual(63);
    }
  });

  it("under a name of its own on node-postgres, and not at all where prepare is false", async () => {
    const own = openNodePostgres(url, { max: 1 });
    const names = async () =>
      (await own.select({ name: sql<string>`name` }).from(sql`pg_prepared_statements`)).map(
        ({ name }) => name,
      );
    await defineJourney({ prepare: false }).forUser(own, newUser()).count();
    expect(await names()).toEqual([]);
    await forUser(own, newUser()).count();
    await forUser(own, newUser()).count();
    expect(await names()).toEqual(["journey_db_count"]);
  });
});

it("a cache of the application's database is never asked", async () => {
  class CacheOfEverything extends Cache {
    readonly stored = new Map<string, unknown[]>();
    override strategy = () => "all" as const;
    override get = async (key: string) => this.stored.get(key);
    override put = async (key: string, rows: unknown[]) => void this.stored.set(key, rows);
    override onMutate = async () => {};
  }
  const cache = new CacheOfEverything();
  const sessions = forUser(drizzle({ client: rawClient(url), cache }), newUser());
  const { id } = await sessions.create();
  expect(await sessions.count()).toBe(1);
  expect(await sessions.deleteAll()).toBe(1);
  expect(await sessions.get(id)).toBeNull();
  expect(await sessions.deleteAll()).toBe(0);
  expect(await sessions.count()).toBe(0);
  expect(cache.stored.size).toBe(0);
});

it("of a database with replicas only the primary is asked", async () => {
  const replica = drizzle({
    client: rawClient(url, { connection: { default_transaction_read_only: true } }),
    logger: { logQuery: (query: string) => expect.fail(`the replica was asked: ${query}`) },
  });
  const sessions = forUser(withReplicas(drizzle({ client: rawClient(url) }), [replica]), newUser());
  const { id } = await sessions.create();
  expect((await sessions.get(id))?.id).toBe(id);
  await expect(sessions.setPhase(id, "review", { from: "done" })).rejects.toMatchObject({ code: "conflict" });
  expect(await sessions.deleteAll()).toBe(1);
});
