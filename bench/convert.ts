import { convertLayout } from "../dist/admin.js";
import { connect, forUser } from "../dist/index.js";
import { migrate } from "../dist/migrate.js";
import { OPTIONS } from "./contestants/ours.js";
import { elapsedMs, summary } from "./measure.js";
import type { Conversion } from "./results.js";
import type { BenchServer } from "./server.js";
import type { Texts } from "./texts.js";
import { newSession } from "./workloads.js";

const SETS = [
  { messages: 10, sessions: { full: 2000, quick: 50 } },
  { messages: 1000, sessions: { full: 50, quick: 2 } },
];
/** There and back. */
const ROUNDS = { full: 3, quick: 1 };

/** Converts many short sessions, then some long ones, to message rows and back to the column. */
export async function conversions(server: BenchServer, texts: Texts, quick: boolean): Promise<Conversion[]> {
  const extent = quick ? "quick" : "full";
  const results: Conversion[] = [];
  for (const { messages, sessions } of SETS) {
    const { name, url } = await server.createDatabase();
    const { db, close } = await connect({ url, max: 1, statementTimeoutMs: OPTIONS.timeoutMs });
    await migrate(db, { with: ["message-rows"] });
    for (let n = 0; n < sessions[extent]; n++) {
      const { id, userId } = newSession();
      await forUser(db, userId).create({ id, messages: texts.conversation(messages, "prose") });
    }
    const [size] = await server.on(
      url,
      (sql) => sql<{ bytes: number }[]>`
        select sum(octet_length(messages::text))::float8 as bytes from journey_sessions`,
    );
    const times = { rows: [] as number[], column: [] as number[] };
    for (let round = 0; round < ROUNDS[extent]; round++) {
      for (const to of ["rows", "column"] as const) {
        const start = process.hrtime.bigint();
        const converted = await convertLayout(db, { to, timeoutMs: OPTIONS.timeoutMs });
        times[to].push(elapsedMs(start));
        if (converted.sessions !== sessions[extent])
          throw new Error(`${converted.skipped} were not converted`);
      }
    }
    for (const to of ["rows", "column"] as const) {
      const bytes = size?.bytes ?? Number.NaN;
      results.push({ to, messages, sessions: sessions[extent], bytes, time: summary(times[to]) });
    }
    await close();
    await server.untilAlone(name);
    await server.dropDatabase(name);
  }
  return results;
}
