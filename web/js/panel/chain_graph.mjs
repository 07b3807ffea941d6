/**
 * Owns a chain as it is drawn: its steps level by level, each with the picture that it offers and how it stands.
 */

import { lines } from "./drawing.mjs";
import { el, icon } from "./dom.mjs";
import { progressOf } from "./progress.mjs";
import { elapsed, standingBadge } from "./standing.mjs";
import { CARD, isUnderWay } from "./steps.mjs";

/**
 * @param {any[]} steps @param {any} arranged @param {import("./chain_view.mjs").ChainView} view
 */
export function chainGraph(steps, arranged, view) {
  const { width, height, places, rows } = arranged;
  const byId = new Map(steps.map((step) => [step.id, step]));
  return el(
    "div",
    { class: "adb-steps", style: `width: ${width}px; height: ${height}px` },
    lines(arranged, CARD.height / 2),
    ...rows.flat().map((id) => card(byId.get(id), places.get(id), view)),
  );
}

function card(step, { x, y }, view) {
  const { t } = view;
  const chosen = view.chosen === step.id;
  const late = step.undelivered.length > 0;
  return el(
    "div",
    {
      class: ["adb-step", chosen && "adb-chosen", step.waitsForPerson && "adb-asks"].filter(Boolean).join(" "),
      style: `left: ${x - CARD.width / 2}px; top: ${y - CARD.height / 2}px; width: ${CARD.width}px; height: ${CARD.height}px`,
      dataset: { state: step.state },
    },
    picture(step, view),
    progressOf(step.workflow),
    el(
      "button",
      {
        type: "button",
        class: "adb-step-name",
        dataset: { do: `step ${step.id}` },
        "aria-pressed": String(chosen),
        tabIndex: view.current === step.id ? 0 : -1,
        title: step.name,
        onclick: () => view.choose(step.id),
      },
      el("span", { class: "adb-step-title" }, step.name),
      late ? el("span", { class: "adb-standing adb-is-pending" }, icon("send"), el("span", {}, t("chain.undelivered_short"))) : standingBadge("step", step.state, t),
      el("span", { class: "adb-step-where" }, step.server, takes(step)),
    ),
  );
}

/** How long its newest workflow runs or ran, as far as that is known. */
export function takes({ workflow, state }) {
  if (!workflow || ["skipped", "cancelled", "waiting"].includes(state)) return null;
  const running = isUnderWay(workflow);
  if (!running && !workflow.completed_at) return null;
  return elapsed(workflow.queued_at, running ? null : workflow.completed_at);
}

function picture(step, view) {
  const { t, client } = view;
  if (!step.artifact) return el("div", { class: "adb-step-picture adb-step-none" }, icon(step.state === "skipped" ? "skip" : "stack"));
  const label = t(step.waitsForPerson ? "step.decide" : "step.open", { step: step.name, name: step.artifact.filename });
  return el(
    "button",
    {
      type: "button",
      class: "adb-step-picture",
      dataset: { do: `picture ${step.id}` },
      title: label,
      "aria-label": label,
      onclick: () => view.open(view.step(step.id).artifact),
    },
    el("img", { src: client.link(step.artifact.thumbnail_url), alt: "", decoding: "async" }),
    step.waitsForPerson ? el("span", { class: "adb-step-ask" }, t("step.ask")) : null,
  );
}
