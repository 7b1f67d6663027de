import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { forUser, JourneyDbError, type JourneyMessage } from "../../src/index.js";
import { type Expected, Model } from "../properties/model.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { idsOf, text } from "../support/messages.js";

const WRITERS = 32;
const TURNS = process.env.LONG === "1" ? 200 : 20;
const db = openPostgresJs(await migratedDatabase(), { max: WRITERS });

/** A write that was acknowledged: what it was, in the model's words, and what the package answered. */
interface Acknowledged {
  revision: string;
  answer: object;
  replay: (model: Model) => Expected;
}

it("what 32 connections do to one session at once is what the same writes do one after the other", async () => {
  const owner = newUser();
  const sessions = forUser(db, owner, { timeoutMs: 60_000 });
  const id = randomUUID();
  await sessions.append(id, text("first"), { create: true });
  const acknowledged: Acknowledged[] = [];
  const forks: JourneyMessage[][] = [];
  const refused = { conflict: 0, not_found: 0 };

  /** Sends a write, and keeps it if it went through. */
  async function write(answer: Promise<{ revision: string }>, replay: Acknowledged["replay"]) {
    const { revision, updatedAt, bytes, ...rest } = (await answer) as Record<string, unknown>;
    acknowledged.push({ revision: String(revision), answer: rest, replay });
  }

  async function turn(writer: number, n: number): Promise<void> {
    const own = text(`${writer}:${n}`);
    const grown = text(`growing ${writer}`, "word ".repeat(n));
    const append = (message: JourneyMessage, options: { after?: string; from?: string } = {}) =>
      write(sessions.append(id, message, options), (model) => model.append(owner, id, [message], options));
    switch ((writer + n) % 8) {
      case 0: {
        const [from, to] = n % 2 ? ["setup", "review"] : ["review", "setup"];
        const options = { from: from as string };
        return write(sessions.setPhase(id, to as string, options), (m) =>
          m.setPhase(owner, id, to as string, options),
        );
      }
      case 1: {
        const patch = { [`${writer}:${n}`]: n };
        return write(sessions.mergeMetadata(id, patch), (m) =>
          m.mergeMetadata(owner, id, patch, {}, Object.is),
        );
      }
      case 2: {
        const options = { ifMatch: { turn: n === 0 ? null : n - 1 } };
        return write(sessions.mergeMetadata(id, { turn: n }, options), (m) =>
          m.mergeMetadata(owner, id, { turn: n }, options, Object.is),
        );
      }
      case 3:
        return append(grown);
      case 4: {
        const last = (await sessions.messages(id, { limit: 1 })).messages[0]?.id;
        return append(own, last === undefined ? {} : { after: last });
      }
      case 5: {
        // Only near the end, so that the conversation grows.
        const page = (await sessions.messages(id, { limit: 2 })).messages[0]?.id ?? "first";
        if (n % 2) return append(own, { from: page });
        return write(sessions.truncate(id, { from: page }), (m) => m.truncate(owner, id, { from: page }));
      }
      case 6:
        forks.push((await sessions.fork(id)).messages);
        return append(own);
      default:
        return append(own);
    }
  }

  await Promise.all(
    Array.from({ length: WRITERS }, async (_, writer) => {
      for (let n = 0; n < TURNS; n++) {
        await turn(writer, n).catch((error: JourneyDbError) => {
          expect(error).toBeInstanceOf(JourneyDbError);
          expect(Object.keys(refused)).toContain(error.code);
          refused[error.code as keyof typeof refused]++;
        });
      }
    }),
  );

  // Revisions grow with every write, so they are the order in which the server took them.
  acknowledged.sort((a, b) => (a.revision < b.revision ? -1 : 1));
  expect(new Set(acknowledged.map(({ revision }) => revision)).size).toBe(acknowledged.length);
  const model = new Model({}, false);
  model.append(owner, id, [text("first")], { create: true });
  const states = new Set<string>();
  const remember = () => states.add(JSON.stringify(idsOf(model.find(owner, id)?.messages ?? [])));
  remember();
  for (const { replay, answer } of acknowledged) {
    expect(replay(model)).toMatchObject({ value: answer });
    remember();
  }
  const kept = model.find(owner, id);
  const stored = await sessions.get(id);
  expect(stored).toMatchObject({ phase: kept?.phase, metadata: kept?.metadata, messages: kept?.messages });
  expect(Object.keys(stored?.metadata ?? {})).toHaveLength(Object.keys(kept?.metadata ?? {}).length);
  expect(stored?.messages).toHaveLength(kept?.messages.length ?? 0);
  // A fork is the conversation as it was at one moment.
  for (const messages of forks) expect(states).toContain(JSON.stringify(idsOf(messages)));
  expect(forks.length).toBeGreaterThan(0);
  expect(refused.conflict).toBeGreaterThan(0);
  console.log(
    `${acknowledged.length} writes acknowledged, ${refused.conflict} in conflict, ${refused.not_found} not found`,
  );
}, 600_000);
