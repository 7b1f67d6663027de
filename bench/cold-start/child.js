/**
 * A process of its own for one contestant: `child.js setUp|time|count NAME URL`. Sends its parent
 * what it found out.
 */
import { cases } from "./cases.js";

const [task, name, url] = process.argv.slice(2);
const contestant = cases[name];

async function start() {
  const begin = performance.now();
  const module = await contestant.load();
  const imported = performance.now();
  const { found, close } = await contestant.call(module, url);
  const called = performance.now();
  await close();
  if (found !== 0) throw new Error(`${name} found ${found} sessions in an empty database`);
  return { importMs: imported - begin, firstCallMs: called - imported };
}

const tasks = {
  setUp: () => contestant.setUp(url),
  time: start,
  async count() {
    const { watchModules } = await import("./modules.js");
    const loaded = watchModules();
    await start();
    return loaded();
  },
};

// Not by itself: a library may have left something running.
process.send((await tasks[task]()) ?? {}, () => process.exit());
