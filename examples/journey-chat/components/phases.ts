import type { Phase } from "@/lib/journey";

/** The phases by the names that the pages show. */
export const PHASES: readonly { phase: Phase; name: string }[] = [
  { phase: "setup", name: "Setup" },
  { phase: "review", name: "Review" },
];
