import * as Plot from "@observablehq/plot";

/** A label for the last point of a line. */
export interface Label {
  x: number;
  y: number;
  text: string;
  colour: string;
  bold: boolean;
  panel?: string;
}

const HEIGHT = 17;
/** From the plot's right edge to the column of labels. */
const GAP = 26;

/**
 * Moves labels apart by as little as possible, in the order they have: one that overlaps joins the
 * block before it, and a block stands where the mean of its labels wants to be.
 */
function spread(wanted: number[], gap: number, top: number, bottom: number): number[] {
  const order = [...wanted.entries()].sort(([, a], [, b]) => a - b);
  const blocks: { place: number; members: number[] }[] = [];
  for (const [rank, [label, place]] of order.entries()) {
    let block = { place: place - rank * gap, members: [label] };
    for (let above = blocks.at(-1); above && above.place > block.place; above = blocks.at(-1)) {
      const members = [...above.members, ...block.members];
      const sum = above.place * above.members.length + block.place * block.members.length;
      block = { place: sum / members.length, members };
      blocks.pop();
    }
    blocks.push(block);
  }
  const lowest = bottom - (wanted.length - 1) * gap;
  const places: number[] = [];
  let rank = 0;
  for (const { place, members } of blocks) {
    for (const label of members) places[label] = Math.max(top, Math.min(lowest, place)) + gap * rank++;
  }
  return places;
}

/** A column of labels at the right of the plot, each with a thin line from the point that it belongs to. */
export const endLabels = (labels: Label[], facet: { fy?: string }): Plot.Text =>
  Plot.text(labels, {
    ...facet,
    x: "x",
    y: "y",
    text: "text",
    fill: "colour",
    textAnchor: "start",
    render(index, scales, values, dimensions, context, next) {
      const { height, width, marginTop, marginBottom, marginRight } = dimensions;
      const xs = values.x as ArrayLike<number>;
      const ys = values.y as ArrayLike<number>;
      const column = width - marginRight + GAP;
      const wanted = [...index].map((n) => ys[n] as number);
      const places = spread(wanted, HEIGHT, marginTop + HEIGHT / 2, height - marginBottom - HEIGHT / 2);
      const y: number[] = [];
      for (const [rank, n] of [...index].entries()) y[n] = places[rank] as number;
      const moved = { ...values, x: labels.map(() => column), y } as unknown as Plot.ChannelValues;
      const group = next?.(index, scales, moved, dimensions, context);
      const texts = [...group.children];
      for (const [rank, n] of [...index].entries()) {
        const label = labels[n] as Label;
        if (label.bold) texts[rank].setAttribute("font-weight", "600");
        const line = context.document.createElementNS(group.namespaceURI, "path");
        line.setAttribute("d", `M${(xs[n] as number) + 7},${ys[n]}L${column - 5},${y[n]}`);
        line.setAttribute("stroke", label.colour);
        line.setAttribute("stroke-opacity", "0.45");
        group.append(line);
      }
      return group;
    },
  });
