/**
 * Owns the strip below the picture: the others of its batch, its versions, and how each was decided.
 */

import { el } from "./dom.mjs";
import { outputOf, placeInBatch } from "./stacks.mjs";
import { badge, stateOf } from "./status.mjs";

/** @param {import("./viewer.mjs").Viewer} viewer */
export function strip(viewer) {
  const { t, artifact, batch, versions } = viewer;
  const siblings = batch.map((one) => {
    const name = t("batch.nth", { n: placeInBatch(one) });
    return pick(viewer, one, "adb-sibling", name, outputOf(one) === outputOf(artifact));
  });
  const steps = versions.map((one) =>
    pick(viewer, one, "adb-version", t("cell.version", { n: one.version }), one.id === artifact.id),
  );
  return [group(t("batch.label"), siblings), group(t("versions.label"), steps)];
}

/** One alone is no choice. */
function group(label, picks) {
  return picks.length > 1 ? el("div", { class: "adb-picks", role: "group", "aria-label": label }, ...picks) : null;
}

function pick(viewer, artifact, kind, name, chosen) {
  const { t, client, mode, other } = viewer;
  const label = [name, t(`status.${stateOf(artifact).key}`), artifact.is_latest ? t("cell.current") : null];
  return el(
    "button",
    {
      type: "button",
      class: `adb-pick ${kind}`,
      "aria-current": chosen ? "true" : null,
      "aria-label": label.filter(Boolean).join(", "),
      dataset: { do: `${kind} ${artifact.id}`, other: String(mode !== "one" && artifact.id === other?.id) },
      title: t("versions.hint"),
      onclick: (event) => (event.shiftKey ? viewer.compareWith(artifact.id) : viewer.turnTo(artifact.id)),
    },
    el("img", { loading: "lazy", src: client.thumbnail(artifact, "small"), alt: "", decoding: "async" }),
    el("span", {}, name),
    badge(artifact, t),
  );
}
