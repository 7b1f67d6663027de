import { chromium } from "playwright-core";
import { atEnd } from "../../../../test/support/database.js";

/** Closed after the file. */
export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
});
atEnd(() => browser.close());
