/**
 * Owns what is said: one notice at a time, with a way back where there is one. Errors stay until they are dismissed.
 */

import { button, el, fill } from "./dom.mjs";

const SAID_FOR = 6000;

export class Notices {
  /** @param {any} t  @param {() => void} refocus where the focus goes when the notice that had it is gone */
  constructor(t, refocus) {
    Object.assign(this, { t, refocus });
    this.element = el("div", { class: "adb-said", role: "status", "aria-live": "polite" });
  }

  destroy() {
    clearTimeout(this.silence);
  }

  say(kind, text, undo) {
    clearTimeout(this.silence);
    const { t } = this;
    const back = () => {
      this.hush();
      undo();
    };
    fill(
      this.element,
      el(
        "div",
        { class: `adb-notice adb-${kind}` },
        el("span", {}, text),
        undo ? button("undo", { label: t("action.undo"), text: t("action.undo"), keys: "u", onclick: back }) : null,
        button("close", { label: t("action.dismiss"), onclick: () => this.hush() }),
      ),
    );
    if (kind !== "error") this.silence = setTimeout(() => this.#later(), SAID_FOR);
  }

  hush() {
    const focused = this.element.contains(document.activeElement);
    fill(this.element);
    if (focused) this.refocus();
  }

  /** Nothing goes away under the pointer, or under the focus. */
  #later() {
    if (this.element.matches(":hover, :focus-within")) this.silence = setTimeout(() => this.#later(), SAID_FOR);
    else this.hush();
  }
}
