/** Prints what is wrong with the migrations and how to put it right; exits with 1 if anything is. */
import { OPTIONAL } from "../src/validation/options.js";
import { migrationFaults } from "./migration-faults.js";

const faults = [
  ...migrationFaults("drizzle"),
  ...OPTIONAL.flatMap((one) => migrationFaults(`drizzle/${one}`, one)),
];
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
