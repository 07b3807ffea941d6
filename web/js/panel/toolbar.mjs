/**
 * Owns which buttons an artifact has: what may be done to it as it is now.
 */

import { button, el } from "./dom.mjs";

const TO_APPROVE = ["pending", "rejected", "auto_approved"];

/**
 * Each button acts on what the viewer shows when it is pressed.
 * @param {import("./viewer.mjs").Viewer} viewer
 */
export function toolbar(viewer) {
  const { t, actions, artifact } = viewer;
  const make = (name, key, onclick, { text, ...more } = {}) =>
    button(name, { label: t(`action.${key}`), text: text ? t(`action.${key}`) : null, onclick, does: key, ...more });
  const close = make("close", "close", () => viewer.leave(), { keys: "Escape" });
  const steps = [
    make("left", "previous", () => viewer.step(-1), { keys: "ArrowLeft" }),
    make("right", "next", () => viewer.step(1), { keys: "ArrowRight" }),
    el("span", { class: "adb-gap" }),
  ];
  if (artifact.deleted_at) {
    if (!viewer.may("review")) return [...steps, close];
    return [...steps, make("undo", "undelete", () => actions.undelete(viewer.artifact), { text: true, primary: true }), close];
  }
  return [...steps, ...decisions(viewer, make), el("span", { class: "adb-gap" }), ...looks(viewer, make), ...files(viewer, make), close];
}

function decisions(viewer, make) {
  const { actions, artifact } = viewer;
  if (!viewer.may("review")) return [];
  const state = artifact.approval_status;
  return [
    TO_APPROVE.includes(state)
      ? make("check", "approve", () => actions.approve(viewer.artifact), { keys: "a", text: true, primary: true })
      : null,
    state === "rejected"
      ? null
      : make("cross", "reject", () => viewer.askReason(), { keys: "r", text: true, danger: true }),
    artifact.usable && !(artifact.is_latest && artifact.is_head)
      ? make("star", "select", () => actions.select(viewer.artifact, viewer.current), { keys: "s", text: true })
      : null,
    // What is newer than the head waits to take its place; bringing it back would be another version of itself.
    artifact.version >= viewer.head.version
      ? null
      : make("undo", "restore", () => actions.restore(viewer.head, viewer.artifact), { text: true }),
    state !== "pending" && artifact.usable
      ? make("clock", "ask_again", () => actions.askAgain(viewer.artifact), { text: true })
      : null,
  ];
}

function looks(viewer, make) {
  const { mode, choices, stage } = viewer;
  const compare = mode === "one" ? "compare" : `compare_${mode}`;
  return [
    choices.length > 1
      ? make("compare", compare, () => viewer.compare(), { keys: "c", pressed: mode !== "one", does: "compare" })
      : null,
    make("fit", "zoom", () => stage.zoom.toggle(), { keys: "z" }),
  ];
}

function files(viewer, make) {
  const deciding = viewer.may("review");
  return [
    deciding ? make("upload", "edit", () => viewer.pickFile(), { keys: "e" }) : null,
    make("download", "download", () => viewer.download(), { keys: "d" }),
    viewer.graph ? make("graph", "into_graph", () => viewer.intoGraph(), { keys: "g" }) : null,
    deciding ? make("trash", "delete", () => viewer.actions.remove(viewer.artifact), { keys: "Delete" }) : null,
    make("help", "keys", () => viewer.help(), { keys: "?" }),
  ];
}
