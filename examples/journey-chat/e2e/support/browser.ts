import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { atEnd } from "../../../../test/support/database.js";

// Without the windows of the whole browser, a page takes less than half the processor time.
const HEADLESS_SHELL = "/usr/bin/chromium-headless-shell";

/** Closed after the file. */
export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? (existsSync(HEADLESS_SHELL) ? HEADLESS_SHELL : "/usr/bin/chromium"),
});
atEnd(() => browser.close());
