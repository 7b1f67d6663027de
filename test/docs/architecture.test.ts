import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { describe, expect, it } from "vitest";
import { readDocument, tableUnder } from "../support/markdown.js";
import { repository } from "../support/packages.js";

const page = readDocument("docs/architecture.md");
const files = readdirSync(`${repository}src`, { recursive: true, encoding: "utf8" })
  .map((name) => name.replaceAll("\\", "/"))
  .filter((name) => name.endsWith(".ts"));

interface Room {
  name: string;
  files: string[];
  mayImport: string[];
  packages: string[];
}

/** `queries/*` is every file of the folder. */
const filesOf = (cell: string) =>
  [...cell.matchAll(/`([^`]+)`/g)].flatMap(([, name = ""]) =>
    name.endsWith("/*") ? files.filter((file) => posix.dirname(file) === posix.dirname(name)) : [name],
  );
const listOf = (cell: string) => (cell === "–" ? [] : cell.split(", "));

const rooms: Room[] = tableUnder(page, "Rooms").map(
  ([name = "", own = "", mayImport = "", packages = ""]) => ({
    name,
    files: filesOf(own),
    mayImport: listOf(mayImport),
    packages: listOf(packages),
  }),
);

/** What a file imports, types and `import()` included: files of src by their path there, packages by name. */
function importsOf(file: string): string[] {
  const text = readFileSync(`${repository}src/${file}`, "utf8");
  const named = text.matchAll(/^(?:import|export|\})(?:[^;"]*? from)? "([^"]+)";|\bimport\("([^"]+)"\)/gm);
  return [...named].map(([, from, loaded]) => {
    const name = from ?? loaded ?? "";
    if (name.startsWith(".")) return posix.join(posix.dirname(file), name).replace(/\.js$/, ".ts");
    return /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name;
  });
}
const isPackage = (name: string) => !name.endsWith(".ts") && !name.startsWith("node:");

describe("docs/architecture.md", () => {
  it("has a room for each file of src, and one only", () => {
    expect(rooms.flatMap(({ files }) => files).toSorted()).toEqual(files.toSorted());
  });

  describe.each(rooms)("$name", ({ name, files, mayImport, packages }) => {
    const imports = files.flatMap(importsOf);

    it("imports from the rooms that the page names, and from each of them", () => {
      const used = imports.filter((found) => found.endsWith(".ts"));
      const from = used.map((file) => rooms.find((room) => room.files.includes(file))?.name ?? file);
      const others = new Set(from.filter((room) => room !== name));
      expect([...others].toSorted()).toEqual(mayImport.toSorted());
    });

    it("imports the packages that the page names, and each of them", () => {
      expect([...new Set(imports.filter(isPackage))].toSorted()).toEqual(packages.toSorted());
    });
  });

  it("no file imports itself through others", () => {
    const circles: string[] = [];
    const done = new Set<string>();
    const visit = (file: string, path: string[]) => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(" > "));
      if (path.includes(file) || done.has(file)) return;
      for (const imported of importsOf(file).filter((name) => name.endsWith(".ts")))
        visit(imported, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(circles).toEqual([]);
  });

  it("the rooms are in order: each imports only from rooms below it", () => {
    const arrows = rooms.flatMap(({ name, mayImport }, place) => {
      const below = rooms.slice(place + 1).map((room) => room.name);
      return mayImport.filter((room) => !below.includes(room)).map((room) => `${name} > ${room}`);
    });
    expect(arrows).toEqual([]);
  });

  it("define-journey.ts is imported by index.ts and the command line alone", () => {
    const importers = files.filter((file) => importsOf(file).includes("sessions/define-journey.ts"));
    expect(importers.filter((file) => !file.startsWith("cli/"))).toEqual(["index.ts"]);
  });

  it("statements know nothing of errors", () => {
    const statements = files.filter((file) => file.startsWith("queries/"));
    expect(statements.filter((file) => importsOf(file).includes("model/errors.ts"))).toEqual([]);
  });

  it("drivers are loaded by import() alone, but for their types", () => {
    const ahead =
      /^import (?!type )[^;]*"(postgres|@electric-sql\/pglite|drizzle-orm\/(?!pg-core|casing|migrator|postgres-js\/session)[^"]*)"/m;
    for (const file of files)
      expect(readFileSync(`${repository}src/${file}`, "utf8"), file).not.toMatch(ahead);
  });

  it("names files that exist", () => {
    const [, life = ""] = /\n## From a call to a row\n(.*?)\n## /s.exec(page) ?? [];
    const named = [...life.matchAll(/`((?:[\w-]+\/)?[\w-]+\.ts)`/g)].map(([, name]) => name);
    expect(named.length).toBeGreaterThan(10);
    for (const name of named) expect(files).toContain(name);
  });
});
