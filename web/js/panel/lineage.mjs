/**
 * Owns the small graph of where an artifact comes from and what came of it; a click walks to one of them.
 */

import { el } from "./dom.mjs";
import { lines } from "./drawing.mjs";
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
  const arranged = arrange(lineage);
  const { width, height, people, more } = arranged;
  return [
    el("h3", {}, t("lineage.title")),
    el(
      "div",
      { class: "adb-family", style: `width: ${width}px; height: ${height}px` },
      lines(arranged, SIDE / 2),
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
