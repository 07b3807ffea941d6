/**
 * Owns the small graph of where an artifact comes from and what came of it; a click walks to one of them.
 */

import { el, svg } from "./dom.mjs";
import { arrange, SIDE } from "./family.mjs";

/** How far the graph goes, and how many relatives are asked for in each direction. */
export const NEAREST = { depth: 3, limit: 40 };

/**
 * @param {any} lineage as the hub tells it; null while it is not known
 * @param {import("./viewer.mjs").Viewer} viewer
 */
export function lineageGraph(lineage, viewer) {
  const { t } = viewer;
  if (!lineage || (lineage.ancestors.length === 0 && lineage.descendants.length === 0)) return [];
  const { width, height, people, links, more } = arrange(lineage);
  const lines = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" });
  for (const link of links) lines.append(svg("path", { d: curve(link), class: `adb-link adb-link-${link.relation}` }));
  return [
    el("h3", {}, t("lineage.title")),
    el(
      "div",
      { class: "adb-family", style: `width: ${width}px; height: ${height}px` },
      lines,
      ...people.toSorted((a, b) => a.y - b.y || a.x - b.x).map((one) => relative(one, viewer)),
      ...more.map(({ y, n }) => el("span", { class: "adb-more", style: `top: ${y + SIDE / 2 + 1}px` }, t("lineage.more", { n }))),
    ),
  ];
}

function relative({ artifact, relation, level, x, y }, viewer) {
  const { t, client } = viewer;
  const role = relation === null ? t("lineage.this") : t(`lineage.${level < 0 ? "from" : "to"}_${relation}`);
  const label = t("lineage.label", { role, name: artifact.filename, version: artifact.version });
  return el(
    "button",
    {
      type: "button",
      class: "adb-relative",
      style: `left: ${x - SIDE / 2}px; top: ${y - SIDE / 2}px; width: ${SIDE}px; height: ${SIDE}px`,
      title: label,
      "aria-label": label,
      "aria-current": relation === null ? "true" : null,
      disabled: relation === null,
      dataset: { do: `relative ${artifact.id}`, deleted: String(Boolean(artifact.deleted_at)) },
      onclick: () => viewer.open(artifact),
    },
    el("img", { src: client.link(artifact.thumbnail_url), alt: "", decoding: "async" }),
  );
}

/** A line from the lower edge of the upper one to the upper edge of the lower one. */
function curve({ from, to }) {
  const [above, below] = from.y < to.y ? [from, to] : [to, from];
  const [start, end] = [above.y + SIDE / 2, below.y - SIDE / 2];
  const bend = (end - start) / 2;
  return `M${above.x} ${start}C${above.x} ${start + bend} ${below.x} ${end - bend} ${below.x} ${end}`;
}
