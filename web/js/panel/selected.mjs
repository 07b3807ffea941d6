/**
 * Owns the bar that says how many are selected, and puts tags on all of them or takes them off.
 */

import { button, el } from "./dom.mjs";
import { Suggest } from "./suggest.mjs";
import { split } from "./tags.mjs";

/** The tags of some artifacts that begin so, whatever their case, what most of them have first. */
export function tagsOf(artifacts, text = "") {
  const begins = text.toLowerCase();
  const counts = new Map();
  for (const tag of artifacts.flatMap(({ tags }) => tags)) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return [...counts]
    .map(([tag, count]) => ({ tag, count }))
    .filter(({ tag }) => tag.toLowerCase().startsWith(begins))
    .sort((one, other) => other.count - one.count || (one.tag < other.tag ? -1 : 1));
}

export class Selected {
  /**
   * @param {{client: any, t: any}} tools
   * @param {{selection: import("./selection.mjs").Selection, actions: import("./actions.mjs").Actions,
   *          left: () => void}} told `left`: the focus goes back to the list
   */
  constructor({ client, t }, { selection, actions, left }) {
    Object.assign(this, { t, selection, actions, left });
    this.count = el("span", { class: "adb-selected-count", role: "status" });
    this.add = new Suggest({
      t,
      label: t("selected.add"),
      placeholder: t("selected.add_hint"),
      find: async (text) => (await client.tags(text)).items,
      take: (text) => this.#change(text, true),
      left,
    });
    this.remove = new Suggest({
      t,
      label: t("selected.remove"),
      placeholder: t("selected.remove_hint"),
      find: async (text) => tagsOf(selection.artifacts, text),
      take: (text) => this.#change(text, false),
      left,
    });
    const clear = button("close", { label: t("selected.clear"), keys: "Escape", onclick: () => selection.clear() });
    this.element = el(
      "div",
      { class: "adb-selected", hidden: true, role: "group", "aria-label": t("selected.label") },
      ...[clear, this.count, this.add.element, this.remove.element],
    );
  }

  draw() {
    const n = this.selection.artifacts.length;
    const focused = this.element.contains(document.activeElement);
    this.element.hidden = n === 0;
    this.count.textContent = n ? this.t("selected.count", { n }) : "";
    if (n) return;
    for (const field of [this.add, this.remove]) field.close();
    if (focused) this.left();
  }

  async #change(text, on) {
    const { artifacts } = this.selection;
    const tags = split(text);
    if (tags.length) await this.actions.tagAll(artifacts, tags, on);
  }
}
