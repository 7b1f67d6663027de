/** Parsed JSON that can be written again without changing a number. */
export interface ExactJson {
  value: unknown;
  /** How deep arrays and objects are nested. */
  levels: number;
  /** The JSON of a value that is made of parts of `value`. */
  textOf(value: unknown): string;
}

/**
 * Parses JSON with numbers of any size and form, as PostgreSQL keeps them: 1.10, 12345678901234567890. A
 * number that JavaScript would write differently becomes an object, `{ <a key of this call>: n }`, and a
 * number again in the text.
 */
export function readExactly(text: string): ExactJson {
  const key = crypto.randomUUID();
  const places = new Map<string, number>();
  const tokens = /["[\]{}]|-?\d[-+.\deE]*/g;
  let readable = "";
  let from = 0;
  let [level, levels] = [0, 0];
  for (let token = tokens.exec(text); token; token = tokens.exec(text)) {
    const [read] = token;
    if (read === '"') tokens.lastIndex = endOfString(text, token.index) + 1;
    else if (read === "[" || read === "{") levels = Math.max(levels, ++level);
    else if (read === "]" || read === "}") level--;
    else if (String(Number(read)) !== read) {
      const place = places.get(read) ?? places.size;
      places.set(read, place);
      readable += `${text.slice(from, token.index)}{"${key}":${place}}`;
      from = tokens.lastIndex;
    }
  }
  const numbers = [...places.keys()];
  const stands = new RegExp(`\\{"${key}":(\\d+)\\}`, "g");
  return {
    value: JSON.parse(numbers.length === 0 ? text : readable + text.slice(from)),
    levels,
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
    while (text[before - 1] === "\\") before--;
    if ((at - before) % 2 === 0) return at;
  }
}
