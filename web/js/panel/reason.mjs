/**
 * Owns the form that asks why something is rejected. It stays as it is while everything around it is redrawn.
 */

import { el } from "./dom.mjs";

export class Reason {
  /** @param {{t: any, reject: (reason: string) => Promise<boolean>, ended: () => void}} tools */
  constructor({ t, reject, ended }) {
    Object.assign(this, { reject, ended, turn: 0 });
    this.text = el("textarea", {
      rows: 3,
      maxLength: 2000,
      id: "adb-reason-text",
      placeholder: t("reject.placeholder"),
      "aria-required": "true",
      onkeydown: (event) => this.#key(event),
      oninput: () => this.text.removeAttribute("aria-invalid"),
    });
    this.element = el(
      "form",
      {
        class: "adb-reason",
        hidden: true,
        onsubmit: (event) => {
          event.preventDefault();
          this.#send();
        },
      },
      el("label", { htmlFor: "adb-reason-text" }, t("reject.label")),
      this.text,
      el(
        "div",
        { class: "adb-row" },
        el("button", { type: "submit", class: "adb-button adb-danger" }, t("action.reject")),
        el("button", { type: "button", class: "adb-button", onclick: () => this.end() }, t("action.cancel")),
        el("span", { class: "adb-hint" }, t("reject.hint")),
      ),
    );
  }

  /** Ask; what was typed already stays. */
  ask() {
    this.element.hidden = false;
    this.text.focus();
    this.element.scrollIntoView({ block: "nearest" });
  }

  /** Ask no more, and forget what was typed. */
  end() {
    if (this.element.hidden) return;
    this.turn += 1;
    this.element.hidden = true;
    this.text.value = "";
    this.text.removeAttribute("aria-invalid");
    this.ended();
  }

  #key(event) {
    if (event.key === "Escape") this.end();
    else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#send();
    else return;
    event.preventDefault();
  }

  /** An answer that comes while another reason is asked for already ends nothing. */
  async #send() {
    const { turn } = this;
    const reason = this.text.value.trim();
    if (!reason) {
      this.text.setAttribute("aria-invalid", "true");
      this.text.focus();
    } else if ((await this.reject(reason)) && turn === this.turn) this.end();
  }
}
