import { store } from "./rows.js";
import type { Scene } from "./scene.js";

/** Stores sessions named One to Three, the newest first, and opens a new chat. */
export async function withThree({ open, sql }: Scene) {
  const ids: string[] = [];
  for (const [n, title] of ["One", "Two", "Three"].entries()) {
    ids.push(await store(sql, { title, createdAt: new Date(Date.UTC(2026, 0, 9 - n)) }));
  }
  const tab = await open();
  await tab.item("Three").waitFor();
  return { tab, ids };
}
