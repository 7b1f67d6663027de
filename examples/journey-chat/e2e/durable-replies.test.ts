import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import type { JourneyMessage } from "../../../src/index.js";
import { atEnd } from "../../../test/support/database.js";
import { flatOf, flatShown, messagesOf, showsStored, stored } from "./support/answers.js";
import { said, store, textOf } from "./support/rows.js";
import { inBrowser, PHONE, type Scene } from "./support/scene.js";
import type { Tab } from "./support/tab.js";

/** Its reply has reasoning, a tool call and two texts, and takes nine seconds. */
const QUESTION = "Think slowly about the weather";

/** Random numbers below 1; the same ones for a seed. */
function randomOf(seed: number) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Reloads at random moments while replies stream, of which each shows nothing but beginnings of what is stored of it. */
async function reloadAtRandom(tab: Tab, rows: Scene["rows"], times: number, mostMs: number): Promise<void> {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
  console.log(`SEED=${seed}`);
  const random = randomOf(seed);
  // On a slow machine, one reply is over before.
  for (let n = 0, place = 1; n < times; place += 2) {
    const isStored = async () => (await messagesOf(rows)).length > place;
    const shown: string[] = [];
    await tab.send(QUESTION);
    await tab.button("Stop").waitFor();
    for (; n < times && !(await isStored()); n++) {
      await tab.page.waitForTimeout(random() * mostMs);
      await tab.page.reload();
      // Two looks: at the beginning of what is sent again, and as it goes on.
      shown.push(await flatShown(tab, place));
      await expect.poll(async () => (await flatShown(tab, place)) !== "" || (await isStored())).toBe(true);
      shown.push(await flatShown(tab, place));
      expect(await tab.alert.count()).toBe(0);
    }
    const answer = await stored(rows, place);
    areBeginnings(shown, answer);
    expect(answer.parts.map(({ type }) => type)).toEqual(
      expect.arrayContaining(["reasoning", "tool-weather", "text"]),
    );
    expect(answer.metadata?.interrupted).toBeUndefined();
    await showsStored(tab, rows);
  }
}

/** Each is a beginning of the stored answer. */
function areBeginnings(shown: string[], answer: JourneyMessage) {
  const whole = flatOf(answer);
  for (const one of shown) expect(whole.startsWith(one), `${one}\nof\n${whole}`).toBe(true);
}

/** Whatever the page shows of the reply until its end is a beginning of the stored answer. */
async function showsBeginnings(tab: Tab, rows: Scene["rows"]): Promise<JourneyMessage> {
  const shown: string[] = [];
  await expect
    .poll(async () => shown.push(await flatShown(tab)) && (await tab.button("Stop").count()), {
      timeout: 30_000,
    })
    .toBe(0);
  const answer = await stored(rows);
  areBeginnings(shown, answer);
  return answer;
}

describe("a page that is reloaded while a reply streams", () => {
  test(
    "shows the reply from its beginning and goes on with it, at ten random moments, and then what is stored",
    inBrowser(async ({ open, sql, rows }) => {
      const tab = await open(`/journey/${await store(sql, { messages: [] })}`);
      await reloadAtRandom(tab, rows, 10, 350);
      await tab.page.reload();
      await showsStored(tab, rows);
    }),
  );

  test(
    "does so on a slow network, too",
    inBrowser(async ({ open, sql, rows }) => {
      const tab = await open(`/journey/${await store(sql, { messages: [] })}`);
      const network = await tab.page.context().newCDPSession(tab.page);
      await network.send("Network.emulateNetworkConditions", {
        offline: false,
        latency: 150,
        downloadThroughput: 60_000,
        uploadThroughput: 60_000,
      });
      await reloadAtRandom(tab, rows, 2, 1_000);
    }),
  );

  test(
    "can stop it: what has arrived is stored, marked",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.send("Write a long story slowly");
      await tab.streams();
      await tab.page.reload();
      await tab.streams();
      await tab.button("Stop").click();
      await tab.answer.getByText("Stopped", { exact: true }).waitFor();
      expect((await stored(rows)).metadata).toMatchObject({ interrupted: "stopped" });
      await showsStored(tab, rows);
      expect(await tab.alert.count()).toBe(0);
    }),
  );

  test(
    "in the middle of what follows a tool's approval shows all of the answer once",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.send("Book a table slowly");
      await tab.button("Allow").waitFor();
      await tab.page.reload();
      await tab.button("Allow").click();
      await tab.button("Stop").waitFor();
      await tab.page.reload();
      await tab.button("Stop").waitFor();
      const answer = await showsBeginnings(tab, rows);
      await showsStored(tab, rows);
      expect(answer.parts.filter(({ type }) => type === "tool-book")).toMatchObject([
        { state: "output-available" },
      ]);
      expect(textOf(answer)).toBe("The table is booked, for two, at eight. The reference is above.");
      await tab.page.reload();
      await showsStored(tab, rows);
    }),
  );
});

describe("a second tab", () => {
  test(
    "follows a reply, cannot send meanwhile, and stops it, on a phone as well; it sends the next message without a reload",
    inBrowser(async ({ open, sql, rows }) => {
      const path = `/journey/${await store(sql)}`;
      const [first, second] = [await open(path), await open(path)];
      await second.has(2);
      await first.send("Write a long story slowly");
      await second.streams();
      // It arrives bit by bit.
      const seen = new Set<string>();
      await expect.poll(async () => seen.add(await flatShown(second, 3)).size).toBeGreaterThan(5);
      const [phone] = await Promise.all([open(path, PHONE), second.send("Not now")]);
      expect(await second.composer.inputValue()).toBe("Not now");
      await phone.streams();
      expect(await messagesOf(rows)).toHaveLength(3);
      await second.button("Stop").click();
      areBeginnings([...seen], await stored(rows, 3));
      for (const tab of [first, second, phone]) {
        await tab.answer.getByText("Stopped", { exact: true }).waitFor();
        await showsStored(tab, rows);
        expect(await tab.alert.count()).toBe(0);
      }
      await second.composer.press("Enter");
      await stored(rows, 5);
      for (const tab of [first, second, phone]) await showsStored(tab, rows);
    }),
  );

  test(
    "that sends at the same moment is refused and follows the other's reply; its text is not lost",
    inBrowser(async ({ open, sql, rows }) => {
      const path = `/journey/${await store(sql)}`;
      const tabs = [await open(path), await open(path)] as const;
      for (const [n, tab] of tabs.entries()) {
        tab.mayMeet(409);
        await tab.has(2);
        await tab.composer.fill(`Think, tab ${n + 1}`);
      }
      await Promise.all(tabs.map((tab) => tab.composer.press("Enter")));
      await stored(rows, 3);
      for (const tab of tabs) await showsStored(tab, rows);
      const [, , question] = await messagesOf(rows);
      const written = tabs.map((_, n) => `Think, tab ${n + 1}`);
      const asked = written.indexOf(textOf(question as JourneyMessage));
      expect(await tabs[asked]?.composer.inputValue()).toBe("");
      expect(await tabs[1 - asked]?.composer.inputValue()).toBe(written[1 - asked]);
    }),
  );

  test(
    "shows another answer that the first asks for, in the place of the old one",
    inBrowser(async ({ open, sql, rows }) => {
      const messages = [said("user", "m1", "Think slowly"), said("assistant", "m2", "An answer.")];
      const path = `/journey/${await store(sql, { messages })}`;
      const [first, second] = [await open(path), await open(path)];
      await second.has(2);
      await first.act(first.messages.last(), "Regenerate");
      await second.streams();
      await expect.poll(() => second.shown()).toEqual(await first.shown());
      await first.button("Stop").click();
      await stored(rows);
      for (const tab of [first, second]) await showsStored(tab, rows);
    }),
  );
});

/** A way to the application that can be cut, and given back. */
async function breakable(url: string) {
  const { port } = new URL(url);
  const open = new Set<Socket>();
  let isCut = false;
  const server = createServer((browser) => {
    if (isCut) return browser.destroy();
    const application = connect(Number(port), "127.0.0.1");
    for (const [from, to] of [
      [browser, application],
      [application, browser],
    ] as const) {
      open.add(from);
      from.on("error", () => {});
      from.on("close", () => open.delete(from) && to.destroy());
      from.pipe(to);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  function cut() {
    isCut = true;
    for (const socket of open) socket.destroy();
  }
  atEnd(async () => {
    cut();
    server.close();
  });
  const restore = () => {
    isCut = false;
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/journey`, cut, restore };
}

describe("a page that loses the network while a reply streams", () => {
  test(
    "says so, and goes on with the reply when it is back",
    inBrowser(async ({ open, rows, application }) => {
      const way = await breakable(application.url);
      const tab = await open(way.url);
      tab.mayMeet("no network");
      await tab.send(QUESTION);
      await tab.streams();
      const before = await flatShown(tab);
      way.cut();
      await tab.page.getByText("The connection was lost").waitFor();
      expect((await flatShown(tab)).startsWith(before)).toBe(true);
      way.restore();
      await tab.button("Stop").waitFor();
      expect(await tab.page.getByText("The connection was lost").count()).toBe(0);
      const answer = await showsBeginnings(tab, rows);
      expect(answer.metadata?.interrupted).toBeUndefined();
      await showsStored(tab, rows);
      expect(await tab.alert.count()).toBe(0);
    }),
  );
});
