/**
 * Owns what is told of one step: where it runs, its attempts with what changed from one to the next, and what to do.
 */

import { takes } from "./chain_graph.mjs";
import { button, el } from "./dom.mjs";
import { differences, written } from "./parameters.mjs";
import { progressOf } from "./progress.mjs";
import { elapsed, standingBadge } from "./standing.mjs";
import { canRerunFrom, isUnderWay } from "./steps.mjs";
import { when } from "./words.mjs";

/** @param {any} step @param {any} details its workflow with its attempts; null while they are not known */
export function stepDetails(step, details, view) {
  const { t } = view;
  return [
    el("h3", { class: "adb-step-heading" }, step.name),
    el("p", { class: "adb-step-line" }, standingBadge("step", step.state, t), step.server ? el("span", {}, step.server) : null, takes(step)),
    progressOf(step.workflow),
    step.dependsOn.length ? el("p", { class: "adb-hint" }, t("step.waits_for", { steps: step.dependsOn.join(", ") })) : null,
    step.workflow?.error_message ? el("p", { class: "adb-why" }, step.workflow.error_message) : null,
    ...step.undelivered.map((transfer) => undelivered(transfer, view)),
    el("div", { class: "adb-row adb-step-actions" }, ...actions(step, details, view)),
    ...attempts(details, view),
  ];
}

function undelivered(transfer, view) {
  const { t } = view;
  const retry = () => view.actions.deliver(view.chain, transfer);
  return el(
    "div",
    { class: "adb-undelivered" },
    el("p", {}, t("chain.undelivered", { server: transfer.target_server }), " ", t(`transfer.${transfer.status}`)),
    transfer.error_message ? el("p", { class: "adb-why" }, transfer.error_message) : null,
    transfer.status === "failed" && view.may("record")
      ? button("retry", { label: t("step.deliver"), text: t("step.deliver"), onclick: retry, does: `deliver ${transfer.id}` })
      : null,
  );
}

function actions(step, details, view) {
  const { t, chain } = view;
  const made = [];
  if (step.artifact && step.waitsForPerson) {
    const onclick = () => view.open(view.step(view.chosen).artifact);
    made.push(button("check", { label: t("step.ask"), text: t("step.ask"), onclick, primary: true, does: "decide" }));
  }
  if (!chain.drive || !view.may("record") || !step.workflow || !details) return made;
  const running = isUnderWay(details.attempts[0]);
  if (!running && chain.status !== "cancelled" && step.state !== "skipped") {
    made.push(button("retry", { label: t("step.retry"), text: t("step.retry"), keys: "t", onclick: () => view.runAgain("retry"), does: "retry" }));
  }
  const can = canRerunFrom(view.steps, step.id);
  made.push(
    button("play", {
      label: t(can ? "step.rerun" : "step.rerun_not_yet"),
      text: t("step.rerun"),
      disabled: !can,
      onclick: () => view.runAgain("rerun"),
      does: "rerun",
    }),
  );
  return made;
}

function attempts(details, view) {
  const { t, language } = view;
  if (!details?.attempts.length) return [];
  const tries = details.attempts;
  return [
    el("h4", {}, t("step.attempts")),
    el(
      "ol",
      { class: "adb-attempts" },
      ...tries.map((attempt, at) =>
        el(
          "li",
          {},
          el(
            "p",
            { class: "adb-step-line" },
            el("b", {}, t("step.attempt", { n: attempt.number })),
            standingBadge("step", attempt.status, t),
            el("span", {}, attempt.server_address),
            elapsed(attempt.queued_at, attempt.completed_at ?? (isUnderWay(attempt) ? null : attempt.updated_at)),
            el("time", { dateTime: attempt.queued_at, title: attempt.queued_at }, when(attempt.queued_at, language)),
          ),
          attempt.error_message ? el("p", { class: "adb-why" }, attempt.error_message) : null,
          changed(attempt, tries.slice(at + 1), view),
        ),
      ),
    ),
  ];
}

/** What it ran with that the last one before it, of which that is known, did not. */
function changed(attempt, before, { t }) {
  const last = before.find((one) => one.parameters || one.workflow_definition);
  const found = last ? differences(last, attempt) : [];
  if (!found.length) return null;
  const value = (tag, what) => el(tag, { title: what === undefined ? "" : written(what) }, what === undefined ? t("step.not_there") : written(what));
  return el(
    "dl",
    { class: "adb-changed", "aria-label": t("step.changed", { n: last.number }) },
    ...found.flatMap(({ key, from, to }) => [el("dt", {}, key), el("dd", {}, value("del", from), " → ", value("ins", to))]),
  );
}
