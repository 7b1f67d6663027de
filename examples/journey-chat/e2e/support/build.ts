import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { BUILT, copyExample, environment, NEXT } from "./next.js";

/** Builds the application once for the whole run. The package itself must be built: `npm run build`. */
export default async function build() {
  copyExample(BUILT);
  await promisify(execFile)(process.execPath, [NEXT, "build"], { cwd: BUILT, env: environment() }).catch(
    ({ stdout, stderr }: { stdout?: string; stderr?: string }) => {
      throw new Error(`next build failed:\n${stdout}\n${stderr}`);
    },
  );
}
