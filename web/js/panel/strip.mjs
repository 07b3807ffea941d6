/**
 * Owns the strip of versions: which one is shown, which one it is compared with, and how each was decided.
 */

import { el } from "./dom.mjs";
import { badge, stateOf } from "./status.mjs";

/**
 * @param {import("./viewer.mjs").Viewer} viewer
 * @param {any[]} versions newest first
 */
export function strip(viewer, versions) {
  const { t, client, artifact, mode, other } = viewer;
  return versions.map((version) => {
    const name = t("cell.version", { n: version.version });
    const label = [name, t(`status.${stateOf(version).key}`), version.is_latest ? t("cell.current") : null];
    return el(
      "button",
      {
        type: "button",
        class: "adb-version",
        "aria-current": version.id === artifact.id ? "true" : null,
        "aria-label": label.filter(Boolean).join(", "),
        dataset: { do: version.id, other: String(mode !== "one" && version.id === other?.id) },
        title: t("versions.hint"),
        onclick: (event) => (event.shiftKey ? viewer.compareWith(version.id) : viewer.turnTo(version.id)),
      },
      el("img", { src: client.link(version.thumbnail_url), alt: "", decoding: "async" }),
      el("span", {}, name),
      badge(version, t),
    );
  });
}
