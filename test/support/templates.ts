/** The optional migrations of each kind of database that tests get. */
export const TEMPLATES = {
  column: [],
  rows: ["message-rows"],
  columnDurable: ["durable-replies"],
  rowsDurable: ["message-rows", "durable-replies"],
} as const;
export type Template = keyof typeof TEMPLATES;
