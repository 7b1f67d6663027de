import { expect, it } from "vitest";
import { defineJourney, type JourneyDbError } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { uiMessages } from "../support/messages.js";
import { startPgbouncer } from "../support/pgbouncer.js";
import { POOLED } from "../support/pooled.js";
import { CATALOGUES, type Catalogue, type Sessions, unstored } from "../support/verbs.js";

const messages = uiMessages.filter(({ id }) => id.length <= 256);

/** All answers and errors, without what differs from one run to another. */
async function answersOf(
  { cases, conversation, newOwn }: Catalogue,
  sessionsOf: (userId: string) => Sessions,
): Promise<Record<string, unknown[]>> {
  const answers: Record<string, unknown[]> = {};
  for (const { name, call } of cases) {
    const owner = newUser();
    const given = await conversation(sessionsOf(owner));
    answers[name] = [];
    // Another user is refused, and so is the owner, mostly, at the second call.
    for (const user of [newUser(), owner, owner]) {
      const answer = await call(sessionsOf(user), given).catch((error: JourneyDbError) => error.toJSON());
      const shown = JSON.stringify({ answer }, (key, value) =>
        /^(revision|createdAt|updatedAt|nextCursor)$/.test(key) || typeof value === "bigint"
          ? typeof value
          : value,
      );
      const known = shown.replaceAll(given.id, "the id").replaceAll(given.newId, "the new id");
      answers[name].push(JSON.parse(known.replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, "another id")));
    }
  }
  const owner = newUser();
  const { id } = await sessionsOf(owner).create({
    messages,
    metadata: { title: "é\0", n: 1 },
    ...newOwn(unstored()),
  });
  const stored = await sessionsOf(owner).get(id);
  answers.content = [stored?.messages, stored?.metadata];
  return answers;
}

const ways = Object.entries(POOLED).flatMap(([name, open]) =>
  Object.entries(CATALOGUES).map(([table, catalogue]) => ({ name, open, table, catalogue })),
);

it.each(ways)(
  "$name, $table: every call answers as it does without a pooler",
  async ({ open, catalogue }) => {
    const [url, pooledUrl] = [await migratedDatabase(), await migratedDatabase()];
    for (const one of [url, pooledUrl]) await catalogue.createIn(openPostgresJs(one, { max: 1 }));
    const direct = openPostgresJs(url);
    const expected = await answersOf(catalogue, (userId) => catalogue.forUser(defineJourney)(direct, userId));
    const pooler = await startPgbouncer({ serverConnections: 2 });
    // Twice as many clients as server connections, and each call is another client's.
    const through = pooler.through(pooledUrl);
    const clients = await Promise.all([1, 2, 3, 4].map(() => open(through, 1)));
    let turn = 0;
    const pooled = await answersOf(catalogue, (userId) => {
      const client = clients[turn++ % clients.length] ?? expect.fail();
      return catalogue.forUser(client.defineJourney)(client.db, userId);
    });
    expect(pooled).toEqual(expected);
  },
);
