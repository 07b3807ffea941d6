/**
 * Owns the arithmetic of a grid in which only what is seen is there. No DOM.
 */

/**
 * @param {number} width of the list in pixels
 * @param {{least: number, most?: number, gap: number, caption: number}} look least width of a cell in a narrow list and
 *        in a wide one, gap between cells, caption's height
 */
export function layout(width, { least: smallest, most = smallest, gap, caption }) {
  // Two columns and more in a sidebar; where there is room for many, larger pictures rather than more of them.
  const least = Math.max(smallest, Math.min(most, width / 6));
  const columns = Math.max(1, Math.floor((width + gap) / (least + gap)));
  const side = Math.floor((width - gap * (columns - 1)) / columns);
  return { columns, side, rowHeight: side + caption + gap, gap };
}

/** The size of thumbnail that a cell of `side` pixels needs on a screen with `ratio` of its own pixels for each. */
export function thumbnail(side, ratio) {
  return side * (ratio || 1) <= 256 ? "small" : "medium";
}

/** The height of `count` cells. */
export function height(count, { columns, rowHeight, gap }) {
  return count === 0 ? 0 : Math.ceil(count / columns) * rowHeight - gap;
}

/** The first and the last index plus one that must be there, `spare` rows more than are seen on both sides. */
export function range(top, seen, count, { columns, rowHeight }, spare = 3) {
  const first = Math.max(0, Math.floor(top / rowHeight) - spare) * columns;
  const last = Math.min(count, (Math.ceil((top + seen) / rowHeight) + spare) * columns);
  return [Math.min(first, count), Math.max(last, 0)];
}

/** Where a cell is. */
export function place(index, { columns, side, rowHeight, gap }) {
  return { x: (index % columns) * (side + gap), y: Math.floor(index / columns) * rowHeight };
}

/** How far to scroll so that a cell is seen; the same where it is already. */
export function scrollTo(index, top, seen, look) {
  const { y } = place(index, look);
  if (y < top) return y;
  const end = y + look.rowHeight - look.gap;
  return end > top + seen ? end - seen : top;
}
