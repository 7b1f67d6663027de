import { fileURLToPath } from "node:url";
import type { NextConfig } from "next";

// The package is linked, not copied: its files are outside this folder.
const repository = fileURLToPath(new URL("../..", import.meta.url));

export default {
  outputFileTracingRoot: repository,
  turbopack: { root: repository },
} satisfies NextConfig;
