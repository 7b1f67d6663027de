#!/usr/bin/env node
/** The command line. Package managers link this file, and expect it, before the build has made dist/. */
import { existsSync } from "node:fs";

const cli = new URL("../dist/cli.js", import.meta.url);
if (existsSync(cli)) {
  await import(cli.href);
} else {
  console.error(
    "journey-db is not built yet. With the dev dependencies installed, run: npm run build -w @aigos/journey-db",
  );
  process.exitCode = 1;
}
