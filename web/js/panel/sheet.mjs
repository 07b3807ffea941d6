/**
 * Owns the sheet that tells of the keys.
 */

import { button, el } from "./dom.mjs";

const SHOWN = [
  ["← →", "previous_next"],
  ["↑ ↓", "turn"],
  ["1 2 3", "tabs"],
  ["⏎", "open"],
  ["a", "approve"],
  ["r", "reject"],
  ["s", "select"],
  ["c", "compare"],
  ["z + −", "zoom"],
  ["⇧+arrows", "pan"],
  ["space", "play"],
  [", .", "frames"],
  ["e", "edit"],
  ["d", "download"],
  ["g", "into_graph"],
  ["t", "tag"],
  ["⌦", "delete"],
  ["u", "undo"],
  ["o t", "step"],
  ["/", "search"],
  ["x ⇧x", "pick"],
  ["⌃a", "pick_all"],
  ["?", "sheet"],
  ["Esc", "close"],
];

export class Sheet {
  /** @param {{t: any, graph?: any}} tools  @param {HTMLElement} overlay gets the sheet while it is shown */
  constructor({ t, graph }, overlay) {
    this.overlay = overlay;
    this.element = el(
      "div",
      { class: "adb-sheet", role: "dialog", "aria-modal": "true", "aria-label": t("keys.title"), tabIndex: -1 },
      el(
        "header",
        {},
        el("h2", {}, t("keys.title")),
        button("close", { label: t("action.close"), keys: "Escape", onclick: () => this.toggle() }),
      ),
      el(
        "dl",
        {},
        ...SHOWN.filter(([, name]) => graph || name !== "into_graph").flatMap(([keys, name]) => [
          el("dt", {}, ...keys.split(" ").map((key) => el("kbd", {}, key))),
          el("dd", {}, t(`keys.${name}`)),
        ]),
      ),
    );
  }

  get isOpen() {
    return this.element.isConnected;
  }

  toggle() {
    if (this.isOpen) {
      this.element.remove();
      this.before?.focus({ preventScroll: true });
      return;
    }
    this.before = document.activeElement;
    this.overlay.append(this.element);
    this.element.querySelector("button").focus();
  }
}
