/** Applies the package's migrations, then the application's own: `npm run migrate`, before a new version starts. */
import { connect } from "@aigos/journey-db";
import { migrate } from "@aigos/journey-db/migrate";
import nextEnv from "@next/env";
import { migrate as migrateOwn } from "drizzle-orm/postgres-js/migrator";

nextEnv.loadEnvConfig(process.cwd());
// DIRECT_URL leads past a transaction pooler. As in lib/journey.ts, `embedded` is only for the demo.
const { db, close } = await connect({ url: process.env.DIRECT_URL || undefined, embedded: true });
// As in lib/journey.ts: durable replies, and messages in rows, need tables of their own.
const { applied } = await migrate(db, {
  with: ["durable-replies", ...(process.env.MESSAGE_LAYOUT === "rows" ? ["message-rows"] : [])],
});
for (const name of applied) console.log(`applied ${name}`);
// The same for every driver, embedded or not. `drizzle-kit migrate` keeps the same journal.
await migrateOwn(db, { migrationsFolder: "drizzle" });
await close();
