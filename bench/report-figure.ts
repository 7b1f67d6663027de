import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

const WIDTH = 960;
/** One light card for both of GitHub's modes, since a picture cannot tell which one it is shown in. */
export const PAPER = "#f6f8fa";
export const INK = "#1f2328";
export const QUIET = "#59636e";
const EDGE = "#d1d9e0";
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";
const MARGIN = 24;
const HEAD = 80;

const { document } = parseHTML("<!doctype html><html></html>");

const escaped = (text: string) => text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** A whole SVG file: the plot below a title and a line on what is shown. */
export function figure(title: string, subtitle: string, options: Plot.PlotOptions): string {
  const plot: {
    innerHTML: string;
    getAttribute(name: string): string;
    querySelector(selector: string): { remove(): void } | null;
  } = Plot.plot({ ...options, document, width: WIDTH - 2 * MARGIN, style: { fontSize: "13px" } });
  // Its rules are written for a page around the plot.
  plot.querySelector("style")?.remove();
  const height = Number(plot.getAttribute("height")) + HEAD + MARGIN / 2;
  const body = plot.innerHTML.replace(/\d+\.\d{3,}/g, (number) => String(Number(Number(number).toFixed(2))));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title about" font-family="${FONT}" font-size="13" fill="${INK}" color="${INK}">
<title id="title">${escaped(title)}</title>
<desc id="about">${escaped(subtitle)}</desc>
<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="10" fill="${PAPER}" stroke="${EDGE}"/>
<text x="${MARGIN}" y="38" font-size="20" font-weight="600">${escaped(title)}</text>
<text x="${MARGIN}" y="60" fill="${QUIET}">${escaped(subtitle)}</text>
<g transform="translate(${MARGIN},${HEAD})" text-anchor="middle">${body}</g>
</svg>
`;
}
