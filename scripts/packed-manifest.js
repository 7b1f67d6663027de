/**
 * Takes out of package.json, while npm packs it, what is for this repository alone, and puts it back. npm warns of a
 * package with a `prepare` script whoever depends on the tarball. The other scripts stay: where a packing was broken off,
 * the next one, or a build, puts the manifest back.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";

const SAVED = ".cache/package.json";

function stripped(text) {
  const { devDependencies: _, ...packed } = JSON.parse(text);
  const { prepare: __, ...scripts } = packed.scripts;
  return `${JSON.stringify({ ...packed, scripts }, null, 2)}\n`;
}

if (existsSync(SAVED)) {
  // One that was edited or checked out since is not that of the packing that was broken off.
  const isOurs = readFileSync("package.json", "utf8") === stripped(readFileSync(SAVED, "utf8"));
  if (isOurs) renameSync(SAVED, "package.json");
  else rmSync(SAVED);
}
if (process.argv[2] === "strip") {
  const text = readFileSync("package.json", "utf8");
  mkdirSync(".cache", { recursive: true });
  writeFileSync(SAVED, text);
  writeFileSync("package.json", stripped(text));
}
