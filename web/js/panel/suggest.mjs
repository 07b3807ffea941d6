/**
 * Owns a field for one tag, and the tags that are offered while somebody types: to the mouse, the keys and screen readers.
 */

import { el, fill } from "./dom.mjs";

const TYPING_PAUSE = 120;
/** As long as a tag may be, and as many characters as the hub looks tags up by. */
const LONGEST = 100;
/** Pixels between the field and what is offered, and between that and the window's edge. */
const GAP = 4;

let made = 0;

export class Suggest {
  /**
   * @param {{t: any, label: string, placeholder: string, find: (text: string) => Promise<{tag: string, count: number}[]>,
   *          take: (tag: string) => void, left?: () => void, value?: string, keeps?: boolean}} how
   *        `find` tells which tags begin so; `left` hears that Escape was pressed. One that `keeps` shows what was taken
   *        and takes the first that fits: a filter. Any other takes what was typed and is empty again.
   */
  constructor({ t, label, placeholder, find, take, left = () => {}, value = "", keeps = false }) {
    Object.assign(this, { find, take, left, value, keeps });
    made += 1;
    this.id = `adb-suggest-${made}`;
    this.options = [];
    this.active = -1;
    this.turn = 0;
    this.popup = el("div", { id: this.id, class: "adb-options", role: "listbox", popover: "manual", "aria-label": t("tags.offered") });
    this.input = el("input", {
      type: keeps ? "search" : "text",
      role: "combobox",
      autocomplete: "off",
      spellcheck: false,
      maxLength: LONGEST,
      placeholder,
      value,
      "aria-label": label,
      "aria-autocomplete": "list",
      "aria-controls": this.id,
      "aria-expanded": "false",
      oninput: () => this.#typed(),
      onclick: () => this.#offer(),
      onkeydown: (event) => this.#key(event),
      onblur: () => this.#leave(),
    });
    this.element = el("div", { class: "adb-suggest" }, this.input, this.popup);
    // A press on an option must not take the focus out of the field.
    this.popup.addEventListener("pointerdown", (event) => event.preventDefault());
    this.popup.addEventListener("mousedown", (event) => event.preventDefault());
  }

  get isOpen() {
    return this.popup.matches(":popover-open");
  }

  close() {
    clearTimeout(this.typing);
    this.turn += 1;
    this.moved?.abort();
    if (this.isOpen) this.popup.hidePopover();
    this.input.setAttribute("aria-expanded", "false");
    this.#point(-1);
  }

  #typed() {
    clearTimeout(this.typing);
    if (this.keeps && !this.input.value.trim()) this.#took("");
    this.typing = setTimeout(() => this.#offer(), TYPING_PAUSE);
  }

  /** Ask which fit, and show them; an answer that comes after something else was typed is none. */
  async #offer() {
    clearTimeout(this.typing);
    const turn = ++this.turn;
    const found = await this.#found(this.input.value.trim());
    if (turn !== this.turn || document.activeElement !== this.input) return;
    this.options = found;
    fill(this.popup, ...found.map((option, at) => this.#option(option, at)));
    if (!found.length) {
      this.close();
      return;
    }
    if (!this.isOpen) this.popup.showPopover();
    this.input.setAttribute("aria-expanded", "true");
    this.#point(-1);
    this.#place();
    this.#follow();
  }

  #option({ tag, count }, at) {
    return el(
      "div",
      { id: `${this.id}-${at}`, class: "adb-option", role: "option", "aria-selected": "false", onclick: () => this.#choose(tag) },
      el("span", {}, tag),
      el("span", { class: "adb-hint" }, String(count)),
    );
  }

  #found(text) {
    return this.find(text).catch(() => []);
  }

  /** Under the field, or over it where there is more room. */
  #place() {
    const at = this.input.getBoundingClientRect();
    const { style } = this.popup;
    style.minWidth = `${at.width}px`;
    const { offsetWidth: width, offsetHeight: height } = this.popup;
    const below = innerHeight - at.bottom - 2 * GAP;
    const over = height > below && at.top > below;
    style.left = `${Math.max(GAP, Math.min(at.left, innerWidth - width - GAP))}px`;
    style.top = `${over ? at.top - height - GAP : at.bottom + GAP}px`;
  }

  /** What lies over everything does not scroll with the field. */
  #follow() {
    this.moved?.abort();
    this.moved = new AbortController();
    const { signal } = this.moved;
    const moved = (event) => event.target !== this.popup && this.close();
    addEventListener("scroll", moved, { capture: true, passive: true, signal });
    addEventListener("resize", moved, { signal });
  }

  #point(at) {
    this.popup.children[this.active]?.setAttribute("aria-selected", "false");
    this.active = at;
    const option = this.popup.children[at];
    if (!option) {
      this.input.removeAttribute("aria-activedescendant");
      return;
    }
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", option.id);
  }

  #key(event) {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.#step(step);
    else if (event.key === "Enter") this.#enter();
    else if (event.key === "Escape" && this.isOpen) this.close();
    else if (event.key === "Escape") this.#escape();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #step(by) {
    const { length } = this.options;
    if (!this.isOpen) this.#offer();
    else if (this.active < 0) this.#point(by > 0 ? 0 : length - 1);
    else this.#point((this.active + by + length) % length);
  }

  async #enter() {
    clearTimeout(this.typing);
    const text = this.input.value.trim();
    if (this.isOpen && this.active >= 0) this.#choose(this.options[this.active].tag);
    else if (!this.keeps && text) this.#choose(text);
    else if (text) {
      const turn = ++this.turn;
      const found = await this.#found(text);
      if (turn === this.turn) this.#choose((found.find(({ tag }) => tag === text) ?? found[0])?.tag ?? text);
    }
  }

  #choose(tag) {
    this.close();
    this.input.value = this.keeps ? tag : "";
    this.#took(tag);
  }

  #took(tag) {
    if (this.keeps && tag === this.value) return;
    this.value = tag;
    this.take(tag);
  }

  #escape() {
    this.input.value = this.keeps ? this.value : "";
    this.left();
  }

  /** What was typed into a filter and not taken is not what is shown. */
  #leave() {
    this.close();
    if (this.keeps) this.input.value = this.value;
  }
}
