import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { defineJourney, forUser } from "../../src/index.js";
import { importSessions } from "../../src/queries/import.js";
import { journeySessions } from "../../src/schema.js";
import {
  migratedDatabase,
  newUser,
  openNodePostgres,
  openPostgresJs,
  rawClient,
} from "../support/database.js";
import { hold } from "../support/held.js";
import { text } from "../support/messages.js";

const TURNS = process.env.LONG === "1" ? 1000 : 50;
const OPEN = { "postgres.js": openPostgresJs, "node-postgres": openNodePostgres };

describe.each(Object.entries(OPEN))("while the primary key is rebuilt concurrently, over %s", (_, open) => {
  it.each(["index concurrently journey_sessions_pkey", "table concurrently journey_sessions"])(
    "a first message that is sent twice is stored once, and neither call fails: reindex %s",
    async (target) => {
      const url = await migratedDatabase();
      const sql = rawClient(url);
      const sessions = forUser(open(url, { max: 6 }), newUser());
      let writing = true;
      const rebuilt = (async () => {
        for (let times = 1; ; times++) {
          await sql.unsafe(`reindex ${target}`);
          if (!writing) return times;
        }
      })();
      const twice = async () => {
        for (let turn = 0; turn < TURNS; turn++) {
          const id = randomUUID();
          const send = () => sessions.append(id, text("m1"), { create: true, after: null });
          const answers = await Promise.all([send(), send()]);
          expect(answers.map(({ created }) => created).sort()).toEqual([false, true]);
          expect((await sessions.get(id))?.messages).toEqual([text("m1")]);
        }
      };
      await Promise.all([twice(), twice(), twice()]).finally(() => {
        writing = false;
      });
      expect(await rebuilt).toBeGreaterThan(1);
    },
  );

  /**
   * The moment in which the index that `on conflict` does not watch refuses a row, for as long as a
   * test needs: the row of a session in the phase `held` waits when it has passed the key's check.
   */
  async function heldBetweenIndexes(name: string) {
    const url = await migratedDatabase();
    const sql = rawClient(url);
    await sql.unsafe(`
      create function held(phase text) returns int immutable language plpgsql as
        'begin if phase = ''held'' then perform pg_advisory_xact_lock_shared(7035); end if; return 1; end';
      alter table journey_sessions drop constraint journey_sessions_pkey cascade;
      create index first_index on journey_sessions (held(phase));
      alter table journey_sessions add constraint journey_sessions_pkey primary key (id);
      create unique index "${name}" on journey_sessions (id);
      update pg_index set indisvalid = false where indexrelid = '"${name}"'::regclass`);
    const owner = newUser();
    const id = randomUUID();
    const db = open(url);
    const [source] = await sql<{ id: string }[]>`
      insert into journey_sessions (user_id, phase) values (${owner}, 'held') returning id`;
    const meanwhile = forUser(open(url), owner);
    const held = await hold(sql);
    return {
      db,
      id,
      owner,
      /** A session in the phase `held`. */
      source: source?.id ?? "",
      sessions: defineJourney({ phases: ["held"] }).forUser(db, owner),
      meanwhile,
      /** `call`, with the id taken by `taking` after its check. */
      async during<T>(call: Promise<T>, taking = () => meanwhile.create({ id, messages: [text("m1")] })) {
        call.catch(() => {});
        await held.reached();
        await taking();
        await held.release();
        return call;
      },
    };
  }

  it.each(["journey_sessions_pkey_ccnew", "any_other_name"])(
    "append finds the session that was made in that moment, whatever the index is called: %s",
    async (name) => {
      const { sessions, meanwhile, id, during } = await heldBetweenIndexes(name);
      const answer = await during(sessions.append(id, text("m2"), { create: true }));
      expect(answer).toMatchObject({ created: false, messageCount: 2 });
      expect((await meanwhile.get(id))?.messages).toEqual([text("m1"), text("m2")]);
    },
  );

  it("and not another user's", async () => {
    const { db, sessions, id, during } = await heldBetweenIndexes("journey_sessions_pkey_ccnew");
    const others = forUser(db, newUser());
    const call = during(sessions.append(id, text("m2"), { create: true }), () => others.create({ id }));
    await expect(call).rejects.toMatchObject({ code: "not_found" });
    expect((await others.get(id))?.messages).toEqual([]);
  });

  it("create and fork tell that the id is taken", async () => {
    const conflict = { code: "conflict", retryable: false, message: expect.stringContaining("is taken") };
    const create = await heldBetweenIndexes("journey_sessions_pkey_ccnew");
    await expect(create.during(create.sessions.create({ id: create.id }))).rejects.toMatchObject(conflict);
    const fork = await heldBetweenIndexes("journey_sessions_pkey_ccold1");
    const { source, sessions, id } = fork;
    await expect(fork.during(sessions.fork(source, { id }))).rejects.toMatchObject(conflict);
  });

  it("an import leaves that session as it is", async () => {
    const { db, owner, meanwhile, id, during } = await heldBetweenIndexes("journey_sessions_pkey_ccnew");
    const time = "2026-01-31T09:30:00Z";
    const line = { id, phase: "held", messages: [], metadata: {}, createdAt: time, updatedAt: time };
    const run = importSessions({})(journeySessions).run(
      db,
      { userId: owner, sessions: JSON.stringify([line]) },
      true,
    );
    expect(await during(run)).toEqual([]);
    expect((await meanwhile.get(id))?.messages).toEqual([text("m1")]);
  });

  it("in a transaction append is a conflict, to be settled by repeating the transaction", async () => {
    const { db, owner, id, during } = await heldBetweenIndexes("journey_sessions_pkey_ccnew");
    const journey = defineJourney({ phases: ["held"] });
    const call = db.transaction((tx) => journey.forUser(tx, owner).append(id, text("m2"), { create: true }));
    const refused = { code: "conflict", retryable: true, sqlState: "23505" };
    await expect(during(call)).rejects.toMatchObject(refused);
  });
});
