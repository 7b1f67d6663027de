/** Parsed JSON that can be written again without changing a number. */
export interface ExactJson {
  value: unknown;
  /**
   * The JSON of a value that is made of parts of `value`.
   *
   * @throws RangeError where it is nested deeper than JavaScript can write
   */
  textOf(value: unknown): string;
}

const [QUOTE, BACKSLASH, MINUS, ZERO, NINE] = ['"', "\\", "-", "0", "9"].map((one) => one.charCodeAt(0)) as [
  number,
  number,
  number,
  number,
  number,
];
const NUMBER = /[-+.\deE]+/y;

/**
 * Parses JSON with numbers of any size and form, as PostgreSQL keeps them: 1.10, 12345678901234567890. A
 * number that JavaScript would write differently becomes an object, `{ <a key of this call>: n }`, and a
 * number again in the text.
 */
export function readExactly(text: string): ExactJson {
  const key = crypto.randomUUID();
  const places = new Map<string, number>();
  let readable = "";
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) at = endOfString(text, at);
    else if (unit === MINUS || (unit >= ZERO && unit <= NINE)) {
      NUMBER.lastIndex = at;
      const number = NUMBER.exec(text)?.[0] ?? "";
      if (String(Number(number)) !== number) {
        const place = places.get(number) ?? places.size;
        places.set(number, place);
        readable += `${text.slice(from, at)}{"${key}":${place}}`;
        from = at + number.length;
      }
      at += number.length - 1;
    }
  }
  const numbers = [...places.keys()];
  const stands = new RegExp(`\\{"${key}":(\\d+)\\}`, "g");
  return {
    value: JSON.parse(numbers.length === 0 ? text : readable + text.slice(from)),
    textOf(value) {
      const written = JSON.stringify(value);
      return numbers.length === 0
        ? written
        : written.replaceAll(stands, (_, place) => numbers[place as number] as string);
    },
  };
}

/** The index of the quote that ends the string. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); ; at = text.indexOf('"', at + 1)) {
    let before = at;
    while (text.charCodeAt(before - 1) === BACKSLASH) before--;
    if ((at - before) % 2 === 0) return at;
  }
}
