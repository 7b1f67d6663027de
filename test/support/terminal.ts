/** What stands on a terminal after this was written to it: its lines, without those that are empty at the end. */
export function screenOf(written: string): string[] {
  const lines: string[] = [""];
  let [row, column] = [0, 0];
  let saved = [row, column] as const;
  const put = (text: string) => {
    const line = lines[row] ?? "";
    lines[row] = line.slice(0, column).padEnd(column) + text + line.slice(column + text.length);
    column += text.length;
  };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these control a terminal
  for (const [part] of written.matchAll(/\x1b[78]|\x1b\[\d*[A-Z]|[\r\n]|[^\x1b\r\n]+|\x1b/g)) {
    if (part === "\n") [row, column] = [row + 1, 0];
    else if (part === "\r" || part === "\x1b[1G") column = 0;
    else if (part === "\x1b[K" || part === "\x1b[0K") lines[row] = (lines[row] ?? "").slice(0, column);
    else if (part === "\x1b[2K") lines[row] = "";
    else if (part === "\x1b7") saved = [row, column];
    else if (part === "\x1b8") [row, column] = saved;
    else if (part.startsWith("\x1b")) throw new Error(`not known here: ${JSON.stringify(part)}`);
    else put(part);
  }
  const shown = Array.from(lines, (line) => (line ?? "").trimEnd());
  return shown.slice(0, shown.findLastIndex((line) => line !== "") + 1);
}
