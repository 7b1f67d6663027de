import { checksum } from "../model/checksum.js";
import { JourneyDbError } from "../model/errors.js";
import { EXACT_TIME, isExactTime } from "../model/time.js";
import type { ListOrder } from "../queries/list.js";

/** The last row of a page: its exact time, and its id, which breaks ties. */
export interface Place {
  time: string;
  id: string;
}

const FORM = new RegExp(`^1 (created|updated) (${EXACT_TIME.source}) ([0-9a-f-]{36}) ([0-9a-z]{1,7})$`);

/** Opaque to callers: version, order, time, id, checksum. It protects no rows; the owner condition does. */
export function encodeCursor(order: ListOrder, { time, id }: Place): string {
  const text = `1 ${order} ${time} ${id}`;
  return btoa(`${text} ${checksum(text)}`)
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** @throws JourneyDbError invalid_input if the cursor is damaged or belongs to another order */
export function decodeCursor(order: ListOrder, cursor: string): Place {
  const [, orderOf, time = "", id = ""] = FORM.exec(textOf(cursor)) ?? [];
  const place = { time, id };
  if (!isExactTime(time) || encodeCursor(orderOf as ListOrder, place) !== cursor) {
    throw new JourneyDbError("invalid_input", "options.cursor: expected the nextCursor of a page, unchanged");
  }
  if (orderOf !== order) {
    throw new JourneyDbError(
      "invalid_input",
      `options.cursor: expected a cursor of a page ordered by "${order}"`,
    );
  }
  return place;
}

function textOf(cursor: string): string {
  try {
    return atob(cursor.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return "";
  }
}
