/**
 * Owns what is told beside the picture: what the artifact is, and what happened to it.
 */

import { el } from "./dom.mjs";
import { size, when } from "./words.mjs";

/** What an artifact is, as a list of terms. */
export function facts(artifact, workflow, { t, language, graph }) {
  const attempt = workflow?.attempts?.find((one) => one.id === artifact.attempt_id);
  const { width, height } = artifact.metadata;
  const rows = [
    ["size", size(artifact.file_size)],
    ["dimensions", width ? `${width} × ${height}` : null],
    ["format", artifact.file_format],
    ["made", when(artifact.created_at, language)],
    ["workflow", workflow ? workflow.workflow_name : null],
    ["step", workflow?.step_id],
    ["output", artifact.output_key],
    ["server", attempt?.server_address || workflow?.server_address],
    ["asked_by", attempt?.requested_by],
    ["prompt", attempt?.prompt_id],
    ["tags", artifact.tags.join(", ")],
    ["sha256", artifact.sha256],
    ["id", artifact.id],
  ];
  const hasWorkflow = Boolean(attempt?.extra_pnginfo?.workflow);
  return el(
    "section",
    { class: "adb-facts" },
    el("h3", {}, t("facts.title")),
    el(
      "dl",
      {},
      ...rows
        .filter(([, value]) => value)
        .flatMap(([name, value]) => [el("dt", {}, t(`facts.${name}`)), el("dd", { title: value }, String(value))]),
    ),
    graph && hasWorkflow
      ? el(
          "button",
          { type: "button", class: "adb-button", onclick: () => graph.open(attempt.extra_pnginfo.workflow) },
          t("action.open_workflow"),
        )
      : null,
  );
}

const TOLD = new Set([
  ...["artifact.recorded", "artifact.edited", "artifact.restored", "artifact.approved", "artifact.rejected"],
  ...["artifact.review_requested", "artifact.selected", "artifact.deleted", "artifact.undeleted"],
  ...["artifact.tagged", "artifact.untagged"],
]);

/** What happened to an artifact, newest first: who, when, why. */
export function story(events, { t, language }) {
  const told = events.filter((event) => TOLD.has(event.action)).reverse();
  return el(
    "section",
    { class: "adb-story" },
    el("h3", {}, t("history.title")),
    el(
      "ol",
      {},
      ...told.map((event) =>
        el(
          "li",
          {},
          el("b", {}, t(`event.${event.action.split(".")[1]}`)),
          el("span", {}, t("history.by", { who: event.actor })),
          el("time", { dateTime: event.at, title: event.at }, when(event.at, language)),
          event.after?.rejection_reason ? el("q", {}, event.after.rejection_reason) : null,
          event.after?.tag ? el("q", {}, event.after.tag) : null,
        ),
      ),
    ),
  );
}
