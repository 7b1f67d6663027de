/** Works on what is large, in a process of its own whose memory is limited; prints a line of JSON for each part. */
import { drizzle as overNodePostgres } from "drizzle-orm/node-postgres";
import { drizzle as overPostgresJs } from "drizzle-orm/postgres-js";
import pg from "pg";
import postgres from "postgres";
import { defineJourney, JourneyDbError, type JourneyMessage } from "../../src/index.js";
import { canonical } from "./storable.js";

const [driver, part, url = ""] = process.argv.slice(2);
const MiB = 1024 * 1024;

const open = () => {
  if (driver === "postgres.js") {
    const client = postgres(url, { max: 4 });
    return { db: overPostgresJs({ client }), close: () => client.end() };
  }
  const client = new pg.Pool({ connectionString: url, max: 4 });
  return { db: overNodePostgres({ client }), close: () => client.end() };
};
const { db, close } = open();

/** Words, so that it is neither one character over and over nor noise. */
const prose = (bytes: number, from = 0) => {
  const words = Array.from({ length: Math.ceil(bytes / 8) }, (_, n) =>
    (((n + from) * 2654435761) % 0xfffffff).toString(36).padEnd(7, "é".normalize("NFD").slice(0, 1)),
  );
  return words.join(" ").slice(0, bytes);
};
const message = (id: string, text: string): JourneyMessage => ({
  id,
  role: "user",
  parts: [{ type: "text", text }],
});
const sessions = defineJourney({ maxSessionBytes: 40 * MiB, timeoutMs: 600_000 }).forUser(
  db,
  `large ${driver} ${part}`,
);
const id = crypto.randomUUID();

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`not so: ${what}`);
}

const parts: Record<string, () => Promise<object>> = {
  async "a 30 MiB session"() {
    const all = Array.from({ length: 30 }, (_, n) => message(`m${n}`, prose(MiB, n)));
    await sessions.append(id, all.slice(0, 29), { create: true });
    const { bytes } = await sessions.append(id, all.slice(29));
    must(bytes >= 30 * MiB, "30 MiB are stored");
    const session = await sessions.get(id);
    must(canonical(session?.messages) === canonical(all), "all messages come back");
    const { messages, hasMore } = await sessions.messages(id, { limit: 2, before: "m29" });
    must(hasMore && messages.map((one) => one.id).join() === "m27,m28", "a page is what it was");
    const fork = await sessions.fork(id, { through: "m28" });
    must(fork.messages.length === 29, "a copy is made");
    const ended = await sessions.append(id, message("big", prose(20 * MiB))).catch((error) => error);
    must(ended instanceof JourneyDbError && ended.code === "too_large", "too much is refused");
    must((await sessions.truncate(id, { from: "m1" })).messageCount === 1, "it is cut");
    return { bytes };
  },
  async "two million parts that are none"() {
    const faulty = { ...message("m1", ""), parts: new Array(1_900_000).fill(1) };
    const error = await sessions.append(id, faulty, { create: true }).catch((thrown) => thrown);
    must(error.message === "messages[0].parts[0]: expected object", "the first is told");
    return {};
  },
  async "a 5 MiB message"() {
    const text = prose(5 * MiB);
    const { bytes } = await sessions.append(id, message("m1", text), { create: true });
    await sessions.append(id, message("m1", text));
    const { messages } = await sessions.messages(id);
    must(messages.length === 1 && messages[0]?.parts[0]?.text === text, "it comes back");
    must((await sessions.list()).sessions.length === 1, "it is listed");
    return { bytes };
  },
  async "10,000 messages"() {
    const all = Array.from({ length: 10_000 }, (_, n) => message(`m${n}`, `message ${n} ${prose(100, n)}`));
    await sessions.append(id, all.slice(0, 5_000), { create: true });
    const { bytes, messageCount } = await sessions.append(id, all.slice(5_000));
    must(messageCount === 10_000, "all are stored");
    await sessions.append(id, all.slice(4_000, 6_000));
    for (let n = 0; n < 20; n++) await sessions.append(id, all[n * 499] as JourneyMessage);
    const read: JourneyMessage[] = [];
    let more = true;
    while (more) {
      const before = read[0] && { before: read[0].id };
      const page = await sessions.messages(id, { limit: 1000, ...before });
      read.unshift(...page.messages);
      more = page.hasMore;
    }
    must(canonical(read) === canonical(all), "the pages are the conversation");
    const session = await sessions.get(id);
    must(canonical(session?.messages) === canonical(all), "and so is the whole");
    must((await sessions.fork(id, { through: "m9998" })).messages.length === 9_999, "a copy is made");
    must((await sessions.truncate(id, { from: "m5000" })).messageCount === 5_000, "it is cut");
    return { bytes };
  },
  async "10,000 sessions of one user"() {
    const ids = Array.from({ length: 10_000 }, () => crypto.randomUUID());
    const waiting = [...ids];
    const work = async () => {
      for (let next = waiting.pop(); next; next = waiting.pop())
        await sessions.append(next, message("m1", "hello"), { create: true });
    };
    await Promise.all(Array.from({ length: 4 }, work));
    for (const orderBy of ["created", "updated"] as const) {
      const listed: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await sessions.list({ limit: 100, orderBy, cursor });
        listed.push(...page.sessions.map((one) => one.id));
        cursor = page.nextCursor;
      } while (cursor);
      must(JSON.stringify(listed.sort()) === JSON.stringify([...ids].sort()), "each is listed once");
    }
    must((await sessions.count()) === 10_000, "all are counted");
    must((await sessions.latest()) !== null, "the last is found");
    must((await sessions.deleteAll()) === 10_000, "all are deleted");
    must((await sessions.count()) === 0, "none is left");
    return {};
  },
};

const figures = await parts[part ?? ""]?.();
await sessions.deleteAll();
await close();
const { heapUsed } = process.memoryUsage();
console.log(
  JSON.stringify({
    ...figures,
    maxRssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    heapMiB: Math.round(heapUsed / MiB),
  }),
);
