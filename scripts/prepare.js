/**
 * Builds dist/ when npm installs this folder: as a clone, or as a workspace of an application.
 *
 * npm runs `prepare` of a workspace in every install of the application, also where the build cannot
 * work: under --omit=dev, or in an image that has the manifests only. Then it is left to the build
 * that was made, or will be.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { canBuild, tsc } from "./build-needs.js";

if (existsSync("src/index.ts") && canBuild()) {
  const { status } = spawnSync(process.execPath, [tsc(), "-p", "tsconfig.build.json"], { stdio: "inherit" });
  process.exitCode = status ?? 1;
} else if (!existsSync("dist/index.js")) {
  console.warn(
    "@aigos/journey-db: no dist/ and no dev dependencies to build it with; with these `npm run build` makes it.",
  );
}
