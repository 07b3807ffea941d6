/**
 * Owns the keys: what each does, and the sheet that tells of them. Nothing is heard while somebody types.
 */

import { button, el } from "./dom.mjs";

const SHOWN = [
  ["ArrowLeft ArrowRight", "previous_next"],
  ["Enter", "open"],
  ["a", "approve"],
  ["r", "reject"],
  ["s", "select"],
  ["c", "compare"],
  ["z + −", "zoom"],
  ["e", "edit"],
  ["d", "download"],
  ["g", "into_graph"],
  ["Delete", "delete"],
  ["u", "undo"],
  ["/", "search"],
  ["?", "sheet"],
  ["Escape", "close"],
];

const NAMES = { ArrowLeft: "←", ArrowRight: "→", Enter: "⏎", Delete: "⌦", Escape: "Esc" };

/** Whether a key is meant for what has the focus. */
function typing(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}

/** Hear keys for a panel: all of them while the viewer is open, else those within the panel. Returns what ends it. */
export function listen(panel) {
  const hear = (event) => {
    const { viewer } = panel;
    const inside = panel.element.contains(event.target) || panel.overlay.contains(event.target);
    if (!viewer.isOpen && !inside) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target)) {
      if (event.key === "Escape" && inside) event.target.blur();
      if (viewer.isOpen) event.stopImmediatePropagation();
      return;
    }
    const done = viewer.isOpen ? inViewer(panel, event.key) : inList(panel, event.key);
    if (done) event.preventDefault();
    // While a picture is open nothing of ComfyUI's hears a key: Delete must not reach the graph behind it.
    if (done || viewer.isOpen) event.stopPropagation();
  };
  window.addEventListener("keydown", hear, true);
  return () => window.removeEventListener("keydown", hear, true);
}

function inList(panel, key) {
  if (key === "?") panel.toggleSheet();
  else if (key === "u") panel.actions.undo();
  else if (key === "/") panel.filters.words.focus();
  else if (key === "Escape" && panel.overlay.querySelector(".adb-sheet")) panel.toggleSheet();
  else return false;
  return true;
}

function inViewer(panel, key) {
  const { viewer, actions } = panel;
  const { artifact, stage } = viewer;
  const current = viewer.versions.find((version) => version.is_latest);
  const doing = {
    ArrowLeft: () => panel.step(-1),
    ArrowRight: () => panel.step(1),
    a: () => actions.approve(artifact),
    r: () => viewer.askReason(),
    s: () => actions.select(artifact, current),
    c: () => viewer.compare(),
    z: () => stage.zoom.toggle(),
    "+": () => stage.zoom.by(1.25),
    "-": () => stage.zoom.by(0.8),
    e: () => viewer.pickFile(),
    d: () => viewer.download(),
    g: () => viewer.graph?.add(artifact),
    Delete: () => actions.remove(artifact),
    u: () => actions.undo(),
    "?": () => panel.toggleSheet(),
    Escape: () => (panel.overlay.querySelector(".adb-sheet") ? panel.toggleSheet() : panel.leave()),
  };
  if (!Object.hasOwn(doing, key)) return false;
  doing[key]();
  return true;
}

/** The sheet of keys. */
export function keySheet(t, close) {
  return el(
    "div",
    { class: "adb-sheet", role: "dialog", "aria-label": t("keys.title") },
    el("header", {}, el("h2", {}, t("keys.title")), button("close", { label: t("action.close"), onclick: close })),
    el(
      "dl",
      {},
      ...SHOWN.flatMap(([keys, name]) => [
        el("dt", {}, ...keys.split(" ").map((key) => el("kbd", {}, NAMES[key] ?? key))),
        el("dd", {}, t(`keys.${name}`)),
      ]),
    ),
  );
}
