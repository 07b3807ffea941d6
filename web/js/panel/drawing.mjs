/**
 * Owns the lines of a graph that is read from top to bottom.
 */

import { svg } from "./dom.mjs";

/**
 * @param {{width: number, height: number, links: {from: {x: number, y: number}, to: {x: number, y: number}, kind: string,
 *          around?: number}[]}} arranged `from` and `to` are middles; `around`: how far to the side a line goes so that it
 *          passes what lies between
 * @param {number} half from the middle of what is linked to its upper and lower edge
 */
export function lines({ width, height, links }, half) {
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" });
  for (const link of links) drawing.append(svg("path", { d: curve(link, half), class: `adb-link adb-link-${link.kind}` }));
  return drawing;
}

/** A line from the lower edge of the upper one to the upper edge of the lower one. */
function curve({ from, to, around = 0 }, half) {
  const [above, below] = from.y < to.y ? [from, to] : [to, from];
  const [start, end] = [above.y + half, below.y - half];
  const bend = Math.min((end - start) / 2, around ? 60 : Infinity);
  return `M${above.x} ${start}C${above.x + around} ${start + bend} ${below.x + around} ${end - bend} ${below.x} ${end}`;
}
