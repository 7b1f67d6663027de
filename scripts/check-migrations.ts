/** Prints what is wrong with the migrations and how to put it right; exits with 1 if anything is. */
import { migrationFaults } from "./migration-faults.js";

const faults = [...migrationFaults("drizzle"), ...migrationFaults("drizzle/message-rows", "message-rows")];
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
