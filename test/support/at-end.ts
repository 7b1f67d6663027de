const endings: (() => Promise<unknown>)[] = [];

/** Runs after the file, the newest first. Unlike afterAll, which vitest ignores there, it may be called in a hook or a test. */
export const atEnd = (end: () => Promise<unknown>): void => {
  endings.push(end);
};

export async function endAll(): Promise<void> {
  for (const end of endings.splice(0).reverse()) await end();
}
