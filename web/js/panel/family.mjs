/**
 * Owns where each of an artifact's nearest relatives is drawn: what it was made from above it, what came of it below.
 * No DOM.
 */

export const SIDE = 52;
const PITCH = { x: 62, y: 80 };

/** How many relatives one row shows; of the others it says how many there are. */
export const MOST = 4;

/**
 * @param {{artifact: any, ancestors: any[], descendants: any[], links: any[]}} lineage as the hub tells it, nearest first
 * @returns {{width: number, height: number, people: any[], links: any[], more: any[]}} `people` have their middles as `x`
 *          and `y`, `links` the middles of two of them, `more` the number of those in a row that are not shown
 */
export function arrange({ artifact, ancestors, descendants, links: ways }) {
  const rows = new Map([[0, [{ artifact, relation: null, of: null }]]]);
  for (const [side, related] of [[-1, ancestors], [1, descendants]]) {
    for (const one of related) {
      const row = side * one.depth;
      if (!rows.has(row)) rows.set(row, []);
      rows.get(row).push(one);
    }
  }
  const levels = [...rows.keys()].sort((a, b) => a - b);
  const width = MOST * PITCH.x;
  const people = [];
  const more = [];
  const places = new Map();
  // From the middle outwards: each lies as near as can be to the one that it is related to, and is shown only with it.
  for (const level of levels.toSorted((a, b) => Math.abs(a) - Math.abs(b))) {
    const y = SIDE / 2 + (level - levels[0]) * PITCH.y;
    const known = rows.get(level).filter((one) => one.of === null || places.has(one.of));
    const shown = known.slice(0, MOST);
    shown.forEach((one, at) => {
      const x = width / 2 + (at - (shown.length - 1) / 2) * PITCH.x;
      places.set(one.artifact.id, { x, y });
      people.push({ ...one, x, y, level });
    });
    if (rows.get(level).length > shown.length) more.push({ y, level, n: rows.get(level).length - shown.length });
  }
  const links = ways
    .filter(({ from, to }) => places.has(from) && places.has(to))
    .map(({ from, to, relation }) => ({ from: places.get(from), to: places.get(to), kind: relation }));
  return { width, height: SIDE + (levels.at(-1) - levels[0]) * PITCH.y, people, links, more };
}
