/** The format of timestamps in query results: to the microsecond, in UTC. */
export const EXACT_TIME = /-?infinity|\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?: BC)?/;

const WHOLE = new RegExp(`^(?:${EXACT_TIME.source})$`);
/** PostgreSQL's timestamps (https://www.postgresql.org/docs/current/datatype-datetime.html) start on 24 November 4714 BC. */
const FIRST_YEAR_BC = 4714;
const LAST_YEAR = 294_276;

/** Whether the text has this format and is a valid date and time for PostgreSQL. */
export function isExactTime(text: string): boolean {
  if (!WHOLE.test(text)) return false;
  if (text.endsWith("infinity")) return true;
  const isBC = text.endsWith(" BC");
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = numbersIn(text);
  // The calendar repeats every 400 years. 1 BC is the year 0, a leap year.
  const date = new Date(Date.UTC(2000 + (isBC ? (1 - year) % 400 : year % 400), month - 1, day));
  return (
    year >= 1 &&
    year <= (isBC ? FIRST_YEAR_BC : LAST_YEAR) &&
    (year < FIRST_YEAR_BC || !isBC || month > 11 || (month === 11 && day >= 24)) &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    hour < 24 &&
    minute < 60 &&
    second < 60
  );
}

const numbersIn = (text: string) => (text.match(/\d+/g) ?? []).map(Number);

/** The limit of a Date (ECMA-262, Time Values and Time Range). PostgreSQL's is higher. */
const MAX_TIME = 8.64e15;

/** Converts a stored timestamp to a Date: cut to the millisecond, clamped to the range of a Date. */
export function toDate(exactTime: string): Date {
  // Date parses the years 0001 to 9999 (ECMA-262, Date Time String Format).
  if (exactTime[4] === "-" && !exactTime.endsWith("BC")) return new Date(`${exactTime.slice(0, 23)}Z`);
  if (exactTime === "infinity") return new Date(MAX_TIME);
  if (exactTime === "-infinity") return new Date(-MAX_TIME);
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = numbersIn(exactTime);
  const milliseconds = Number((/\.(\d+)/.exec(exactTime)?.[1] ?? "").padEnd(3, "0").slice(0, 3));
  // 1 BC is the year 0 of a Date. Date.UTC reads the years 0 to 99 as 1900 to 1999.
  const date = new Date(0);
  date.setUTCFullYear(exactTime.endsWith(" BC") ? 1 - year : year, month - 1, day);
  date.setUTCHours(hour, minute, second, milliseconds);
  // PostgreSQL's first year, 4714 BC, is in the range of a Date; its last, 294276, is not.
  return Number.isNaN(date.getTime()) ? new Date(MAX_TIME) : date;
}

/** The text that PostgreSQL reads as the time, also of years BC and of more than four digits. */
export function fromDate(date: Date): string {
  const iso = date.toISOString();
  const [, sign, digits = "", rest] = /^([+-]?)(\d+)(.*)$/s.exec(iso) ?? [];
  const year = Number(digits);
  if (sign !== "-" && year > 0) return `${String(year).padStart(4, "0")}${rest}`;
  // 1 BC is the year 0 of a Date.
  return `${String(year + 1).padStart(4, "0")}${rest} BC`;
}
