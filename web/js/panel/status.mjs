/**
 * Owns how a state looks: a shape and a word as well as a colour, the same everywhere.
 */

import { el, icon } from "./dom.mjs";

const LOOKS = {
  pending: "clock",
  approved: "check",
  auto_approved: "check",
  edited: "pencil",
  rejected: "cross",
};

/** The state as `{key, icon}`: changed bytes outrank every decision. */
export function stateOf(artifact) {
  if (artifact.deleted_at) return { key: "deleted", icon: "trash" };
  const decided = artifact.approval_status;
  const shouldBeUsable = decided !== "pending" && decided !== "rejected";
  if (shouldBeUsable && !artifact.usable) return { key: "changed", icon: "warning" };
  return { key: decided, icon: LOOKS[decided] ?? "warning" };
}

/** A badge; `wide` with its word beside the shape. */
export function badge(artifact, t, { wide = false } = {}) {
  const state = stateOf(artifact);
  const label = t(`status.${state.key}`);
  return el(
    "span",
    { class: `adb-badge adb-is-${state.key}`, title: label, role: "img", "aria-label": label },
    icon(state.icon),
    wide ? el("span", {}, label) : null,
  );
}
