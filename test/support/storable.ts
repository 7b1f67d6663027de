/** Text as it is stored: U+0000 and lone surrogates are U+FFFD. */
export const storable = (text: string) => text.toWellFormed().replaceAll("\0", "\ufffd");

/** What JSON and jsonb keep of a value, told without the package's own code. */
export function asStored(value: unknown): unknown {
  return repaired(JSON.parse(JSON.stringify(value)));
}

function repaired(json: unknown): unknown {
  if (typeof json === "string") return storable(json);
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map(repaired);
  return Object.fromEntries(Object.entries(json).map(([key, item]) => [storable(key), repaired(item)]));
}

/** JSON text with its keys in order, so that two texts are the same where two values are. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

/** Whether the JSON has text that is not stored as it is, and whether that makes one key of two. */
export function troubles(json: unknown): { unstorable: boolean; merged: boolean } {
  let unstorable = false;
  let merged = false;
  const look = (item: unknown): void => {
    if (typeof item === "string") unstorable ||= storable(item) !== item;
    if (typeof item !== "object" || item === null) return;
    if (!Array.isArray(item)) {
      const keys = Object.keys(item);
      keys.forEach(look);
      merged ||= new Set(keys.map(storable)).size < keys.length;
    }
    Object.values(item).forEach(look);
  };
  look(json);
  return { unstorable, merged };
}
