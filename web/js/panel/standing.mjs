/**
 * Owns how a chain and its steps stand, in a word, a shape and a colour, the same everywhere.
 */

import { el, icon } from "./dom.mjs";
import { lasted } from "./words.mjs";

const LOOKS = {
  initializing: ["dots", "runs"],
  executing: ["play", "runs"],
  queued: ["dots", "runs"],
  awaiting_approval: ["clock", "pending"],
  completed: ["check", "approved"],
  failed: ["warning", "rejected"],
  outcome_unknown: ["help", "rejected"],
  cancelled: ["stop", "still"],
  skipped: ["skip", "still"],
  waiting: ["dots", "still"],
  not_run: ["stop", "still"],
  rejected: ["cross", "rejected"],
  unusable: ["warning", "rejected"],
};

/**
 * A chain's status without its level, which `executing_level_N` has in it. Of a chain that nodes or a runner elsewhere
 * record into nobody says that it waits for a person: its steps tell.
 */
export function statusOf(chain) {
  if (!chain.status.startsWith("executing_level_")) return chain.status;
  const states = new Set((chain.workflows ?? chain.overview?.steps ?? []).map((step) => step.status));
  const runs = states.has("queued") || states.has("executing");
  return states.has("awaiting_approval") && !runs ? "awaiting_approval" : "executing";
}

/** A chain's badge, with the level that runs. */
export function chainBadge(chain, t) {
  const level = Number(chain.status.match(/\d+$/)?.[0] ?? 0);
  return standingBadge("chain", statusOf(chain), t, { n: level + 1 });
}

/** A badge with its word; `what` is `chain` or `step`, in whose words it speaks. */
export function standingBadge(what, state, t, values = {}) {
  const [shape, colour] = LOOKS[state] ?? LOOKS.waiting;
  return el(
    "span",
    { class: `adb-standing adb-is-${colour}`, dataset: { state } },
    icon(shape),
    el("span", {}, t(`${what}.${state}`, values)),
  );
}

/** A small shape alone, beside words that say the same. */
export function dot(state) {
  return el("span", { class: `adb-dot adb-is-${(LOOKS[state] ?? LOOKS.waiting)[1]}` });
}

/** How long something takes or took; what is under way is counted on by `tick`. */
export function elapsed(from, to) {
  if (!from) return null;
  return el("span", { class: "adb-elapsed", dataset: to ? {} : { since: from } }, lasted(from, to));
}

/** Count on what is under way. */
export function tick(root) {
  for (const one of root.querySelectorAll("[data-since]")) {
    const text = lasted(one.dataset.since);
    if (one.textContent !== text) one.textContent = text;
  }
}
