/**
 * Owns what stands in place of a list: that it is empty, and what to do about it, or that it could not be loaded.
 */

import { Problem } from "./client.mjs";
import { button, el, icon } from "./dom.mjs";

/** Children for the message; none while there is something to see. */
export function message(collection, { t, clear, showAll }) {
  const { items, loading, error, filters } = collection;
  if (error) {
    const reason = error instanceof Problem ? error.message : t("failed.no_answer");
    return [
      icon("warning"),
      el("p", {}, t("list.failed", { reason })),
      button("retry", { label: t("list.retry"), text: t("list.retry"), onclick: () => collection.reload() }),
    ];
  }
  if (loading || items.length) return [];
  if (Object.entries(filters).some(([name, value]) => value && name !== "queue")) {
    return [
      icon("filter"),
      el("p", {}, t("list.nothing")),
      button("close", { label: t("list.clear"), text: t("list.clear"), onclick: clear }),
    ];
  }
  if (!filters.queue) return [icon("stack"), el("p", {}, t("list.empty"))];
  return [
    icon("check"),
    el("p", {}, t("list.caught_up")),
    el("p", { class: "adb-hint" }, t("list.caught_up_hint")),
    button("stack", { label: t("list.show_all"), text: t("list.show_all"), onclick: showAll }),
  ];
}
