/**
 * Owns the tags of what the viewer shows: each with a way to take it off, and a field for another. The field stays as it
 * is while everything around it is redrawn.
 */

import { el, icon, refill } from "./dom.mjs";
import { Suggest } from "./suggest.mjs";

/** What somebody typed as tags: a comma ends one. */
export function split(text) {
  return [...new Set(text.split(",").map((tag) => tag.trim()))].filter(Boolean);
}

export class Tags {
  /**
   * @param {{client: any, t: any, actions: import("./actions.mjs").Actions, may: (permission: string) => boolean,
   *          ended: () => void}} tools `ended` hears that somebody has left the field by Escape
   */
  constructor({ client, t, actions, may, ended }) {
    Object.assign(this, { t, actions, may });
    this.artifact = null;
    this.title = el("h3", {}, t("tags.title"));
    this.chips = el("ul", { class: "adb-tag-list" });
    this.field = new Suggest({
      t,
      label: t("tags.add"),
      placeholder: t("tags.add_hint"),
      find: async (text) => (await client.tags(text)).items.filter(({ tag }) => !this.artifact?.tags.includes(tag)),
      take: (text) => this.#add(text),
      left: ended,
    });
    this.element = el("section", { class: "adb-tags" }, this.title, this.chips, this.field.element);
  }

  get #isOpen() {
    return this.may("review") && !this.artifact.deleted_at;
  }

  /** Show the tags that an artifact has now. */
  draw(artifact) {
    if (artifact.id !== this.artifact?.id) this.end();
    this.artifact = artifact;
    const { tags } = artifact;
    const open = this.#isOpen;
    this.element.hidden = !open && tags.length === 0;
    this.field.element.hidden = !open;
    this.chips.hidden = tags.length === 0;
    const focused = this.chips.contains(document.activeElement);
    refill(this.chips, ...tags.map((tag) => this.#chip(tag, open)));
    if (focused && !this.chips.contains(document.activeElement) && open) this.field.input.focus({ preventScroll: true });
  }

  /** Put the focus where another is typed. */
  ask() {
    if (this.#isOpen) this.field.input.focus();
  }

  /** Forget what was typed. */
  end() {
    this.field.close();
    this.field.input.value = "";
  }

  #chip(tag, open) {
    const label = this.t("tags.remove", { tag });
    const off = {
      type: "button",
      title: label,
      "aria-label": label,
      dataset: { do: `untag ${tag}` },
      onclick: () => this.actions.untag(this.artifact, tag),
    };
    return el("li", { class: "adb-tag", title: tag }, el("span", {}, tag), open ? el("button", off, icon("close")) : null);
  }

  async #add(text) {
    const { artifact } = this;
    const wanted = split(text).filter((tag) => !artifact.tags.includes(tag));
    if (!wanted.length || (await this.actions.tag(artifact, wanted))) return;
    // What the hub did not take is there to be tried again.
    if (this.artifact?.id === artifact.id && !this.field.input.value) this.field.input.value = wanted.join(", ");
  }
}
