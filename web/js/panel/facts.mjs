/**
 * Owns what is told beside the picture: what the artifact is, and what happened to it.
 */

import { button, el } from "./dom.mjs";
import { badge, stateOf } from "./status.mjs";
import { size, when } from "./words.mjs";

/** Its name, its state, and who decided so and why. */
export function heading(artifact, { t }) {
  return [
    el("h2", { title: artifact.filename }, artifact.filename),
    badge(artifact, t, { wide: true }),
    artifact.is_latest
      ? el("span", { class: "adb-chip", title: t("cell.current_hint") }, t("cell.current"))
      : null,
    el("p", { class: "adb-told" }, decided(artifact, t)),
  ];
}

function decided(artifact, t) {
  const who = artifact.decided_by ?? artifact.approved_by;
  if (artifact.deleted_at) return t("state.deleted");
  if (stateOf(artifact).key === "changed") return t("state.changed");
  if (artifact.approval_status === "rejected") {
    return t("state.rejected", { who: who ?? "?", reason: artifact.rejection_reason ?? "" });
  }
  return artifact.approval_status === "approved" && who ? t("state.decided", { who }) : "";
}

/** What an artifact is, as a list of terms. */
export function facts(artifact, workflow, viewer) {
  const { t, language } = viewer;
  const attempt = workflow?.attempts?.find((one) => one.id === artifact.attempt_id);
  const { metadata } = artifact;
  const rows = [
    ["size", size(artifact.file_size)],
    ["dimensions", metadata.width ? `${metadata.width} × ${metadata.height}` : null],
    ["colours", metadata.mode && [metadata.mode, metadata.bit_depth && t("facts.bits", { n: metadata.bit_depth })]],
    ["length", metadata.duration && [t("facts.seconds", { n: metadata.duration }), frames(metadata, t)]],
    ["codecs", [metadata.video_codec, metadata.audio_codec]],
    ["sound", metadata.sample_rate && [`${metadata.sample_rate} Hz`, t("facts.channels", { n: metadata.channels })]],
    ["text", metadata.lines && [t("facts.lines", { n: metadata.lines }), t("facts.characters", { n: metadata.characters })]],
    ["shape", Array.isArray(metadata.shape) && [metadata.shape.join(" × "), metadata.dtype]],
    ["note", metadata.note],
    ["format", artifact.file_format],
    ["made", when(artifact.created_at, language)],
    ["chain", workflow?.chain_name],
    ["workflow", workflow ? workflow.workflow_name : null],
    ["step", workflow?.step_id],
    ["output", artifact.output_key],
    ["server", attempt?.server_address || workflow?.server_address],
    ["asked_by", attempt?.requested_by],
    ["prompt", attempt?.prompt_id],
    ["sha256", artifact.sha256],
    ["id", artifact.id],
  ];
  const made = attempt?.extra_pnginfo?.workflow;
  return [
    el("h3", {}, t("facts.title")),
    el(
      "dl",
      {},
      ...rows
        .map(([name, value]) => [name, Array.isArray(value) ? value.filter(Boolean).join(", ") : value])
        .filter(([, value]) => value)
        .flatMap(([name, value]) => [el("dt", {}, t(`facts.${name}`)), el("dd", { title: value }, String(value))]),
    ),
    viewer.graph && made
      ? button("graph", {
          label: t("action.open_workflow"),
          text: t("action.open_workflow"),
          onclick: () => viewer.graph.open(made, workflow.workflow_name, () => viewer.leave()),
          does: "open_workflow",
        })
      : null,
  ];
}

function frames({ frames: n, fps }, t) {
  if (!n) return fps && t("facts.fps", { fps });
  return fps ? t("facts.frames_at", { n, fps }) : t("facts.frames", { n });
}

const TOLD = new Set([
  ...["artifact.recorded", "artifact.edited", "artifact.restored", "artifact.approved", "artifact.rejected"],
  ...["artifact.review_requested", "artifact.selected", "artifact.deleted", "artifact.undeleted"],
  ...["artifact.tagged", "artifact.untagged", "artifact.imported"],
]);

/** Events, oldest first, each import after what the other hub's log says of it; that is marked with its bundle. */
export function unfolded(events, file = null) {
  return events.flatMap((event) => {
    const told = file === null ? event : { ...event, file };
    if (event.action !== "artifact.imported") return [told];
    return [...unfolded(event.after.history, event.after.from.file), told];
  });
}

/** What happened to an artifact, newest first: who, when, why. */
export function story(events, { t, language }) {
  const told = unfolded(events)
    .filter((event) => TOLD.has(event.action))
    .reverse();
  return [
    el("h3", {}, t("history.title")),
    el(
      "ol",
      {},
      ...told.map((event) =>
        el(
          "li",
          {},
          el("b", {}, t(`event.${event.action.split(".")[1]}`)),
          el("span", {}, byWhom(event, t)),
          event.file ? el("span", {}, t("history.there", { file: event.file })) : null,
          el("time", { dateTime: event.at, title: event.at }, when(event.at, language)),
          reason(event) ? el("q", {}, reason(event)) : null,
          event.after?.tag || event.before?.tag ? el("q", {}, event.after?.tag ?? event.before.tag) : null,
        ),
      ),
    ),
  ];
}

/** Why; an import tells of the whole row, and decides nothing. */
function reason({ action, after }) {
  return action === "artifact.imported" ? null : after?.rejection_reason;
}

/** Who did it; where a program asked for it on behalf of somebody, both. */
export function byWhom({ action, actor, after }, t) {
  if (action === "artifact.imported") return t("history.by", { who: actor });
  const who = after?.decided_by ?? after?.selected_by ?? after?.approved_by ?? actor;
  return who === actor ? t("history.by", { who }) : t("history.by_through", { who, actor });
}
