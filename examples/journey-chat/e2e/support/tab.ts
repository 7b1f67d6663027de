import type { Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { words } from "./rows.js";

/** What a page may meet where its test says so: an HTTP status, no network, or a page that the server could not render. */
type Expected = number | "no network" | "server error";

type MenuOption = "Rename" | "Pin" | "Unpin" | "Archive" | "Unarchive" | "Delete";

export type Phase = "Setup" | "Review";

const beginningWith = (text: string) => new RegExp(`^\\s*${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`);

/** The text that the page shows there, its white space evened out. */
export async function read(there: Locator): Promise<string> {
  await there.waitFor();
  return words((await there.allInnerTexts()).join("\n"));
}

/** Until it has the focus. */
export const hasFocus = (there: Locator) =>
  expect.poll(() => there.evaluate((element) => element === document.activeElement)).toBe(true);

/** Whether the whole height of it is in the window. */
export const isInView = (there: Locator): Promise<boolean> =>
  there.evaluate((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;
  });

/** One tab of the application, by what a person or a screen reader finds in it. */
export class Tab {
  private readonly met: { what: Expected | "error"; text: string }[] = [];
  private readonly expected = new Set<Expected>();

  constructor(
    readonly page: Page,
    private readonly origin: string,
  ) {
    page.on("pageerror", (error) =>
      this.met.push({ what: "error", text: `uncaught: ${error.stack ?? error}` }),
    );
    page.on("console", (message) => {
      if (message.type() !== "error") return;
      const text = `console: ${message.text()} (${message.location().url})`;
      // What these say is known from the answers themselves.
      if (text.includes("the server responded with a status of")) return;
      const kind = text.includes("net::ERR_") ? "no network" : undefined;
      this.met.push({
        what: kind ?? (text.includes("React error #441;") ? "server error" : "error"),
        text,
      });
    });
    page.on("response", (response) => {
      const status = response.status();
      if (status < 400) return;
      this.met.push({
        what: status,
        text: `HTTP ${status}: ${response.request().method()} ${response.url()}`,
      });
    });
  }

  /** From here on, and before: these are no problems in this tab. */
  mayMeet(...expected: Expected[]): void {
    for (const one of expected) this.expected.add(one);
  }

  /** What went wrong in this tab and was not expected. */
  problems(): string[] {
    return this.met
      .filter(({ what }) => what === "error" || !this.expected.has(what))
      .map(({ text }) => text);
  }

  /** For a failure's message. */
  async describe(): Promise<string> {
    if (this.page.isClosed()) return "A tab that is closed.";
    const tree = await this.page
      .locator("body")
      .ariaSnapshot({ timeout: 2_000 })
      .catch(() => "(no page)");
    const met = this.met.map(({ text }) => text).join("\n");
    return `The tab at ${this.page.url()}:\n${tree.slice(0, 4_000)}\nIt met: ${met || "nothing"}`;
  }

  go = (path: string) => this.page.goto(new URL(path, this.origin).href);

  /** The path of the address bar. */
  path = () => new URL(this.page.url()).pathname;

  /** The id of the session in the address bar, once it is there. */
  async sessionId(): Promise<string> {
    await this.page.waitForURL(/\/journey\/[0-9a-f-]{36}$/);
    return this.path().slice("/journey/".length);
  }

  /** From here on the page does not learn what others do. */
  async deafen(): Promise<void> {
    this.mayMeet("no network");
    await this.page.route("**/events", (route) => route.abort());
    await this.page.reload();
  }

  button = (name: string): Locator => this.page.getByRole("button", { name, exact: true });
  get title(): Locator {
    return this.page.getByRole("heading", { level: 1 });
  }
  get alert(): Locator {
    // Next.js announces the title of a page in an alert of its own.
    return this.page.locator('[role="alert"]:not(#__next-route-announcer__)');
  }
  get phases(): Locator {
    return this.page.getByRole("radiogroup", { name: "Phase" });
  }
  phase = (name: Phase): Locator => this.phases.getByRole("radio", { name });
  get panel(): Locator {
    return this.page.getByRole("complementary", { name: "Review" });
  }
  get composer(): Locator {
    return this.page.getByRole("textbox", { name: "Message", exact: true });
  }
  get log(): Locator {
    return this.page.getByRole("log", { name: "Conversation" });
  }
  get messages(): Locator {
    return this.log.getByRole("article");
  }
  get answer(): Locator {
    return this.log.getByRole("article", { name: "Assistant" }).last();
  }
  get sessions(): Locator {
    return this.page.getByRole("navigation", { name: "Sessions" });
  }
  get items(): Locator {
    return this.sessions.getByRole("listitem").getByRole("link");
  }

  /** The link to a session, whose name begins with its title. */
  item = (title: string): Locator => this.sessions.getByRole("link", { name: beginningWith(title) });

  /** Shows the sessions in one phase. */
  filter = (name: Phase | "All phases") =>
    this.sessions.getByRole("combobox", { name: "Sessions in phase" }).selectOption(name);

  /** Shows the archived sessions, or the others again. */
  toggleArchived = () => this.button("Archived").click();

  /** Types a message and sends it. */
  async send(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press("Enter");
  }

  /** Until there are so many messages, and the last reply has ended. */
  async has(count: number): Promise<void> {
    await expect.poll(() => this.messages.count()).toBe(count);
    await this.idle();
  }

  /** Until no reply is under way. The long story takes 16 seconds. */
  idle = () => this.button("Send").waitFor({ timeout: 30_000 });

  /** Sends a message and waits for the end of its reply. */
  async ask(text: string): Promise<void> {
    const before = await this.messages.count();
    await this.send(text);
    await this.has(before + 2);
  }

  /** Until some words of a reply have arrived, and more are to come. */
  async streams(): Promise<void> {
    await this.button("Stop").waitFor();
    const reply = this.messages.last().and(this.page.getByRole("article", { name: "Assistant" }));
    await expect.poll(async () => (await read(reply)).split(" ").length).toBeGreaterThan(12);
  }

  /** Who said what, as the page shows it: ids to be compared with those of a row. */
  shown = () =>
    this.messages.evaluateAll((articles) =>
      articles.map((one) => ({
        by: one.getAttribute("aria-label"),
        id: one.getAttribute("data-message-id"),
      })),
    );

  /** By its label: the radio button itself may be out of sight. */
  choosePhase = (name: Phase) => this.phases.getByText(name, { exact: true }).click();

  /** Chooses from the menu of a session in the sidebar. */
  async choose(title: string, option: MenuOption): Promise<void> {
    await this.item(title).hover();
    await this.sessions.getByRole("button", { name: `Options for ${title}` }).click();
    await this.page.getByRole("menu").getByRole("menuitem", { name: option, exact: true }).click();
  }

  /** Uses a button of one message, which is visible while the mouse is over that. */
  async act(message: Locator, name: "Edit" | "Regenerate" | "Fork from here"): Promise<void> {
    await message.hover();
    await message.getByRole("button", { name, exact: true }).click();
  }
}
