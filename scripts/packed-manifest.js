/**
 * Takes out of package.json, while npm packs it, what is for this repository alone, and puts it back. npm warns of a
 * package with a `prepare` script whoever depends on the tarball.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";

const SAVED = ".cache/package.json";

// Also after a packing that was broken off.
if (existsSync(SAVED)) renameSync(SAVED, "package.json");
if (process.argv[2] === "strip") {
  const text = readFileSync("package.json", "utf8");
  const { scripts: _, devDependencies: __, ...packed } = JSON.parse(text);
  mkdirSync(".cache", { recursive: true });
  writeFileSync(SAVED, text);
  writeFileSync("package.json", `${JSON.stringify(packed, null, 2)}\n`);
}
