/** Removes the last build, where another can be made. */
import { rmSync } from "node:fs";
import { canBuild } from "./build-needs.js";

if (canBuild()) {
  rmSync("dist", { recursive: true, force: true });
} else {
  console.error("@aigos/journey-db: the build needs the dev dependencies; npm install --include=dev.");
  process.exitCode = 1;
}
