import { afterAll } from "vitest";
import { endAll } from "./at-end.js";

// Here, since files of one worker share the modules that they import, and only this runs for each of them.
afterAll(endAll);
