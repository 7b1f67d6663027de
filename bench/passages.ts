import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const bench = fileURLToPath(new URL(".", import.meta.url));
const PASSAGE_BYTES = 2000;

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The packages that the lock file pins on every platform, sorted. */
function pinnedPackages(): string[] {
  const lock: { packages: Record<string, { optional?: boolean; peer?: boolean }> } = JSON.parse(
    readFileSync(join(bench, "package-lock.json"), "utf8"),
  );
  return Object.entries(lock.packages)
    .filter(([path, { optional }]) => path.startsWith("node_modules/") && !optional)
    .map(([path]) => path)
    .sort();
}

function documentsOf(path: string): string[] {
  const folder = join(bench, path);
  return readdirSync(folder)
    .filter((name) => /^(readme|changelog)\.md$/i.test(name))
    .sort()
    .map((name) => readFileSync(join(folder, name), "utf8"));
}

/** Mostly letters, which excludes tables and lists of links. */
const isProse = (paragraph: string): boolean =>
  paragraph.length >= 80 && (paragraph.match(/[a-z ]/gi)?.length ?? 0) / paragraph.length > 0.85;

/** Joins consecutive paragraphs of a document until they are long enough; the remainder is dropped. */
function* passagesOf(document: string, seen: Set<string>): Generator<string> {
  let passage = "";
  for (const paragraph of document.split(/\r?\n\s*\n/)) {
    const words = paragraph.trim();
    if (!isProse(words) || seen.has(words)) continue;
    seen.add(words);
    passage += `${passage && "\n\n"}${words}`;
    if (passage.length < PASSAGE_BYTES) continue;
    // Half a surrogate pair could not be stored by every contestant.
    yield passage.slice(0, PASSAGE_BYTES).toWellFormed();
    passage = "";
  }
}

/**
 * Passages of 2 kB from the documents of the installed packages, in an order given by the seed. Real text,
 * since generated text compresses much better. No paragraph is in two passages.
 */
export function readPassages(seed: number): string[] {
  const seen = new Set<string>();
  const passages = pinnedPackages().flatMap((path) =>
    documentsOf(path).flatMap((document) => [...passagesOf(document, seen)]),
  );
  const random = randomNumbers(seed);
  for (let last = passages.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [passages[last], passages[other]] = [passages[other] as string, passages[last] as string];
  }
  return passages;
}
