import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { migratedDatabase } from "../../../test/support/database.js";
import { installed, newFolder, npmInstall, pack, run, write } from "../../../test/support/packages.js";

const versionOf = (name: string): string =>
  JSON.parse(readFileSync(createRequire(import.meta.url).resolve(`${name}/package.json`), "utf8")).version;

/** Answers what connect() makes of a server and of the embedded database. */
const ROUTE = `
import { connect, forUser } from "@aigos/journey-db";
import { migrate } from "@aigos/journey-db/migrate";
const message = { id: "m1", role: "user", parts: [{ type: "text", text: "Hello" }] };
export async function POST(request) {
  try {
    const { db, close } = await connect(await request.json());
    try {
      await migrate(db);
      const { created } = await forUser(db, "user_1").append(crypto.randomUUID(), message, { create: true });
      return Response.json({ created });
    } finally {
      await close();
    }
  } catch ({ name, code, message }) {
    return Response.json({ name, code, message });
  }
}
`;
const EDGE_ROUTE = `
import { connect } from "@aigos/journey-db";
export const runtime = "edge";
export async function POST() {
  return connect({ embedded: true }).catch(({ code, message }) => Response.json({ code, message }));
}
`;
const LAYOUT = 'export default ({ children }) => <html lang="en"><body>{children}</body></html>;\n';

const missing = (name: string) => ({
  name: "JourneyDbError",
  code: "configuration",
  message: `The package ${name} is not installed: npm install ${name}`,
});
const stored = { created: true };
const edge = {
  code: "configuration",
  message:
    'connect: expected the Node.js runtime, and this is the edge runtime; remove `export const runtime = "edge"`',
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

describe("the tarball in a build of Next.js that configures nothing for it", () => {
  const folder = newFolder();
  const project = join(folder, "project");
  let url: string;

  beforeAll(async () => {
    url = await migratedDatabase();
    const { tarball } = await pack(folder);
    const next = Object.fromEntries(["next", "react", "react-dom"].map((name) => [name, versionOf(name)]));
    await write(project, {
      "package.json": {
        private: true,
        type: "module",
        dependencies: {
          "@aigos/journey-db": `file:${tarball}`,
          ...(await installed("drizzle-orm", "zod")),
          ...next,
        },
      },
      "app/layout.jsx": LAYOUT,
      "app/chat/route.js": ROUTE,
    });
    await npmInstall(project);
  }, 180_000);

  const next = join(project, "node_modules/next/dist/bin/next");

  /** Builds, and asks the built application. */
  async function answers(bundler: string) {
    for (const old of [".next", "app/edge"]) rmSync(join(project, old), { recursive: true, force: true });
    // webpack in Next.js 16.4 stops at it, with an error of its own.
    const hasEdge = bundler === "--turbopack";
    if (hasEdge) await write(project, { "app/edge/route.js": EDGE_ROUTE });
    await run(project, process.execPath, next, "build", bundler);
    const port = await freePort();
    const child = spawn(process.execPath, [next, "start", "--port", String(port)], {
      cwd: project,
      env: { ...process.env, DATABASE_URL: "", NEXT_TELEMETRY_DISABLED: "1" },
      stdio: "ignore",
    });
    const ask = async (path: string, options: object) => {
      const response = await fetch(`http://127.0.0.1:${port}/${path}`, {
        method: "POST",
        body: JSON.stringify(options),
      });
      return response.json();
    };
    try {
      await expect.poll(() => fetch(`http://127.0.0.1:${port}/`).then(({ status }) => status)).toBe(404);
      return {
        server: await ask("chat", { url }),
        embedded: await ask("chat", { embedded: true }),
        ...(hasEdge && { edge: await ask("edge", {}) }),
      };
    } finally {
      const ended = once(child, "exit");
      child.kill();
      await ended;
    }
  }

  // In this order: the second installs more.
  describe.each([
    {
      with: "no optional peer",
      more: [],
      said: { server: missing("postgres"), embedded: missing("@electric-sql/pglite") },
    },
    {
      with: "postgres and @electric-sql/pglite",
      more: ["postgres", "@electric-sql/pglite"],
      said: { server: stored, embedded: stored },
    },
  ] as const)("with $with", ({ more, said }) => {
    beforeAll(async () => {
      const packages = Object.entries(await installed(...more));
      if (packages.length > 0)
        await npmInstall(project, ...packages.map(([name, version]) => `${name}@${version}`));
    }, 120_000);

    test.each(["--turbopack", "--webpack"])(
      "next build %s",
      async (bundler) => {
        expect(await answers(bundler)).toEqual({ ...said, ...(bundler === "--turbopack" && { edge }) });
      },
      180_000,
    );
  });
});
