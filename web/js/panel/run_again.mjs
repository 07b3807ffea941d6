/**
 * Owns the form with which a step runs again, as its next attempt or in a new chain: its parameters as they were, to be
 * changed. It stays as it is while everything around it is redrawn.
 */

import { el, fill } from "./dom.mjs";
import { changes, literals, prefilled, written } from "./parameters.mjs";

export class RunAgain {
  /**
   * @param {{t: any, send: (how: string, step: any, values: any) => Promise<any>, ended: () => void}} tools `how` is
   *        `retry` or `rerun`
   */
  constructor({ t, send, ended }) {
    Object.assign(this, { t, send, ended });
    this.element = el("form", { class: "adb-again", hidden: true, onsubmit: (event) => this.#submit(event) });
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      this.end();
    });
  }

  /** Ask for the parameters of a step whose workflow, with its attempts, is `details`. */
  ask(how, step, details) {
    const { t } = this;
    Object.assign(this, { how, step, fields: [] });
    this.overrides = details.attempts[0]?.overrides ?? {};
    const values = prefilled(details.attempts);
    const graph = details.attempts.find((one) => one.workflow_definition)?.workflow_definition ?? details.workflow_definition;
    this.known = literals(graph);
    this.rows = el("div", { class: "adb-fields" }, ...Object.entries(values).map(([key, value]) => this.#field(key, value)));
    const others = Object.keys(this.known).filter((key) => !(key in values));
    this.more = others.length ? this.#picker(others) : null;
    this.wrong = el("p", { class: "adb-wrong", role: "alert", hidden: true });
    fill(
      this.element,
      el("h3", {}, t(`again.${how}`, { step: step.name })),
      el("p", { class: "adb-hint" }, t(`again.${how}_hint`)),
      this.rows,
      this.more,
      this.wrong,
      el(
        "div",
        { class: "adb-row" },
        el("button", { type: "submit", class: "adb-button adb-primary" }, t(`again.${how}_send`)),
        el("button", { type: "button", class: "adb-button", onclick: () => this.end() }, t("action.cancel")),
      ),
    );
    this.element.hidden = false;
    (this.element.querySelector("input, textarea") ?? this.element.querySelector("button")).focus();
    this.element.scrollIntoView({ block: "nearest" });
  }

  end() {
    if (this.element.hidden) return;
    this.element.hidden = true;
    fill(this.element);
    this.step = null;
    this.ended();
  }

  #field(key, before) {
    const text = before === undefined ? "" : written(before);
    const long = text.length > 40 || text.includes("\n");
    const input = el(long ? "textarea" : "input", { value: text, ...(long ? { rows: 3 } : { type: "text" }), spellcheck: false });
    input.addEventListener("input", () => input.removeAttribute("aria-invalid"));
    this.fields.push({ key, before, input });
    return el("label", {}, el("span", {}, key), input);
  }

  /** The other inputs of the graph, each of which becomes a field when it is picked. */
  #picker(keys) {
    const { t } = this;
    const select = el("select", {
      "aria-label": t("again.more"),
      onchange: () => {
        const key = select.value;
        select.querySelector("option:checked").remove();
        select.value = "";
        this.rows.append(this.#field(key, this.known[key]));
        this.fields.at(-1).input.focus();
      },
    });
    select.append(el("option", { value: "" }, t("again.more")), ...keys.map((key) => el("option", { value: key }, key)));
    return select;
  }

  async #submit(event) {
    event.preventDefault();
    const { values, wrong } = changes(this.fields.map(({ key, before, input }) => ({ key, before, text: input.value })));
    this.wrong.hidden = wrong.length === 0;
    for (const { key, input } of this.fields) if (wrong.includes(key)) input.setAttribute("aria-invalid", "true");
    if (wrong.length) {
      this.wrong.textContent = this.t("again.wrong", { keys: wrong.join(", ") });
      this.fields.find(({ key }) => key === wrong[0]).input.focus();
      return;
    }
    const { how, step, overrides } = this;
    // A retry keeps by itself what was asked for last; a new chain begins with the definition's parameters.
    const sent = how === "retry" ? values : { ...overrides, ...values };
    if (await this.send(how, step, sent)) this.end();
  }
}
