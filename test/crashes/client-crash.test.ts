import { describe, expect, it } from "vitest";
import { migratedDatabase, rawClient } from "../support/database.js";
import { CLIENTS, expectStored, someCalls, startWriting, toldOf } from "../support/writers.js";
import { WRITERS } from "../support/written.js";

const LONG = process.env.LONG === "1";
const CYCLES = LONG ? 20 : 2;
/** Milliseconds, of a whole test. */
const TIMEOUT = LONG ? 3_600_000 : 120_000;
const url = await migratedDatabase();

describe.each(CLIENTS)("a program that writes through %s", (client) => {
  it(
    "killed with kill -9, has stored what it was told was stored, and the next one goes on from there",
    async () => {
      const sql = rawClient(url, { max: 1 });
      let owner: string | undefined;
      let told = 0;
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        const program = startWriting(url, client, owner);
        owner = program.owner;
        await program.goesOn(1);
        const first = toldOf(program);
        expect(first).toBeGreaterThan(told);
        await program.goesOn(someCalls(60));
        await program.kill();
        expect(await expectStored(sql, program)).toBeLessThanOrEqual(WRITERS);
        told = toldOf(program);
      }
      console.log(`kill -9 of the client (${client}), ${CYCLES} times: ${told} acknowledged writes`);
    },
    TIMEOUT,
  );
});
