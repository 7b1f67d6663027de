/** Whether PostgreSQL can store the text unchanged. */
export const isStorable = (value: string) => value.isWellFormed() && !value.includes("\0");

/** Replaces U+0000 and lone surrogates, which PostgreSQL cannot store, with U+FFFD. */
export const toStorable = (value: string) => value.toWellFormed().replaceAll("\0", "\ufffd");

export const isUserId = (id: string) =>
  id.length >= 1 && id.length <= 255 && id === id.trim() && isStorable(id);

export const isSessionId = (id: string) =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(id);
