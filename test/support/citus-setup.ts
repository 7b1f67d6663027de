import type { TestProject } from "vitest/node";
import { build } from "./build.js";

/** The cluster that CITUS_URL names: the coordinator's, of a role that may create databases on each of its servers. */
export default async function setup(project: TestProject) {
  const url = process.env.CITUS_URL;
  if (!url) throw new Error("test:citus: CITUS_URL must name the coordinator of a Citus cluster");
  const run = project.vitest.getRootProject();
  if (run.getProvidedContext().serverUrl !== undefined) return;
  run.provide("serverUrl", url);
  return build();
}
