import { test } from "vitest";
import { IN_ROWS } from "./layout.js";

/** A test of the column alone: of its size, or that changes by SQL what is stored there. */
export const testInColumn = (IN_ROWS ? () => {} : test) as typeof test;
