/** The main job, played once more on each run: `npm run demo`. */
import "./closed-output.js";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { styleText } from "node:util";
import Table from "cli-table3";
import { configuredUrl } from "../src/connection/database-url.js";
import { connect, forUser, JourneyDbError, type JourneyMessage, type Session } from "../src/index.js";
import { migrate } from "../src/maintenance/migrate.js";
import { verify } from "../src/maintenance/verify/verify.js";

const conversation: { title: string; messages: JourneyMessage[] } = JSON.parse(
  readFileSync(new URL("demo-conversation.json", import.meta.url), "utf8"),
);

const say = (line = "") => console.log(line);
const step = (what: string, outcome: string) =>
  say(`${styleText("green", "✓")} ${what}\n  ${styleText("dim", outcome)}`);
const plural = (count: number, thing: string) => `${count} ${thing}${count === 1 ? "" : "s"}`;

/** Table styles of the library's own colours, which it uses without a terminal too: none. */
const PLAIN = { head: [], border: [] };

/** One line for a part of any type, as a person would want to read it. */
function lineOf({ type, ...part }: JourneyMessage["parts"][number]): string | undefined {
  if (type === "text") return part.text;
  if (type === "reasoning") return styleText("dim", `(thinks) ${part.text}`);
  if (type === "file") return `[file ${part.filename}, ${part.mediaType}]`;
  if (type === "source-url") return `[source ${part.title}, ${part.url}]`;
  if (type.startsWith("tool-")) {
    const asked = Object.values(part.input ?? {}).join(", ");
    return `[tool ${type.slice(5)}(${asked}) found ${part.output?.names?.join(", ") ?? "nothing yet"}]`;
  }
  if (type.startsWith("data-")) {
    const facts = Object.entries(part.data).map(([name, value]) => `${name}: ${value}`);
    return `[${type.slice(5)} ${facts.join(", ")}]`;
  }
  return undefined;
}

function printTranscript(session: Session<JourneyMessage>): void {
  const table = new Table({
    colWidths: [11, 79],
    wordWrap: true,
    style: PLAIN,
    chars: {
      top: "",
      "top-left": "",
      "top-mid": "",
      "top-right": "",
      bottom: "",
      "bottom-left": "",
      "bottom-mid": "",
      "bottom-right": "",
      left: "",
      "left-mid": "",
      right: "",
      "right-mid": "",
      mid: "",
      "mid-mid": "",
      middle: " ",
    },
  });
  for (const { role, parts } of session.messages) {
    table.push([
      styleText("bold", role),
      parts
        .map(lineOf)
        .filter((line) => line !== undefined)
        .join("\n"),
    ]);
  }
  say(table.toString());
}

async function main(): Promise<void> {
  const { db, close } = await connect();
  try {
    const { applied } = await migrate(db);
    step(
      "The table is in place",
      applied.length ? `${plural(applied.length, "migration")} applied` : "no migration was pending",
    );
    const findings = await verify(db);
    for (const { severity, message, remedy } of findings) say(`  ${severity}: ${message} ${remedy}`);
    step("The database was verified", plural(findings.length, "finding"));

    const sessions = forUser(db, "user_demo");
    const id = randomUUID();
    const [question, answer, followUp, districts] = conversation.messages as [
      JourneyMessage,
      JourneyMessage,
      JourneyMessage,
      JourneyMessage,
    ];

    const first = await sessions.append(id, question, { create: true });
    step(
      "The first message made the session",
      `created: ${first.created}, ${plural(first.messageCount, "message")}, ${first.bytes} bytes`,
    );

    const again = await sessions.append(id, question, { create: true });
    step(
      "The same message sent again changed nothing",
      `created: ${again.created}, ${plural(again.messageCount, "message")}, ${again.bytes} bytes`,
    );

    const sizes: number[] = [];
    for (let parts = 2; parts <= answer.parts.length; parts++) {
      const grown = await sessions.append(id, { ...answer, parts: answer.parts.slice(0, parts) });
      sizes.push(grown.bytes);
    }
    step(
      "The answer grew under one id as it streamed in",
      `stored ${sizes.length} times, ${sizes.join(" → ")} bytes, still ${plural(2, "message")}`,
    );

    await sessions.append(id, [followUp, districts], { after: answer.id });
    step("The next turn was appended after the answer", `after: "${answer.id}" held`);

    const stale = await sessions
      .append(id, followUp, { after: question.id })
      .catch((error: JourneyDbError) => error);
    if (!(stale instanceof JourneyDbError)) throw new Error("a stale append went through");
    step("A tab that had not seen the answer was refused", `${stale.code}: ${stale.message}`);

    await sessions.setPhase(id, "review", { from: "setup" });
    step("The phase moved", "setup → review");

    await sessions.mergeMetadata(id, { title: conversation.title, city: "Lyon" });
    const { metadata } = await sessions.mergeMetadata(id, { city: null, onboarded: true });
    step(
      "The metadata merged",
      Object.entries(metadata)
        .map(([name, value]) => `${name}: ${value}`)
        .join(", "),
    );

    const count = await sessions.count();
    const page = await sessions.list({ limit: 5 });
    const table = new Table({
      head: ["created", "phase", "title", "id"],
      style: PLAIN,
    });
    for (const session of page.sessions) {
      table.push([
        session.createdAt.toISOString().slice(0, 16).replace("T", " "),
        session.phase,
        String(session.metadata.title ?? ""),
        session.id,
      ]);
    }
    say(
      `\n${styleText("bold", `The newest of ${plural(count, "session")} of user_demo`)}\n${table.toString()}`,
    );

    const reopened = await sessions.get(id);
    if (!reopened) throw new Error("the session is gone");
    say(`\n${styleText("bold", "The session, opened again")}`);
    printTranscript(reopened);

    const stranger = await forUser(db, "user_stranger").get(id);
    say();
    step("Another user who asks for it by id", stranger === null ? "finds nothing" : "SEES IT");
  } finally {
    await close();
  }
  // The command line takes no embedded database that is not named.
  const option = configuredUrl(process.env, "DATABASE_URL") ? "" : " -- --embedded";
  say(`
What next:
  npm run demo     adds another session beside this one
  npm run studio   looks at the rows in Drizzle Studio
  npm run verify${option}   checks the table, the trigger and the rights
  DATABASE_URL=postgres://… npm run demo   the same on your own PostgreSQL
README.md says how to add the package to an application.`);
}

await main().catch((error: unknown) => {
  if (!(error instanceof JourneyDbError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
});
