import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { expect, test } from "vitest";
import { overPostgresJs } from "../src/over-postgres-js.js";

test("changes a client as Drizzle's own function does, and gives it back", () => {
  const changed = (change: (client: postgres.Sql) => { $client: postgres.Sql }) => {
    const client = postgres("postgres://127.0.0.1:1/none");
    const before = { parsers: { ...client.options.parsers }, serializers: { ...client.options.serializers } };
    expect(change(client).$client).toBe(client);
    const { parsers, serializers } = client.options;
    return (["parsers", "serializers"] as const).map((kind) =>
      Object.entries({ parsers, serializers }[kind])
        .filter(([type, convert]) => before[kind][Number(type)] !== convert)
        .map(([type, convert]) => [type, (convert as (value: unknown) => unknown)("as it is")]),
    );
  };
  expect(changed(overPostgresJs)).toEqual(changed((client) => drizzle({ client })));
});
