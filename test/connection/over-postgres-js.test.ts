import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { expect, test } from "vitest";
import { leaveTypesToDrizzle } from "../../src/connection/over-postgres-js.js";

test("a client hands values on as one does that Drizzle's own function was given", () => {
  const changed = (change: (client: postgres.Sql) => unknown) => {
    const client = postgres("postgres://127.0.0.1:1/none");
    const before = { parsers: { ...client.options.parsers }, serializers: { ...client.options.serializers } };
    change(client);
    const { parsers, serializers } = client.options;
    return (["parsers", "serializers"] as const).map((kind) =>
      Object.entries({ parsers, serializers }[kind])
        .filter(([type, convert]) => before[kind][Number(type)] !== convert)
        .map(([type, convert]) => [type, (convert as (value: unknown) => unknown)("as it is")]),
    );
  };
  expect(changed(leaveTypesToDrizzle)).toEqual(changed((client) => drizzle({ client })));
});
