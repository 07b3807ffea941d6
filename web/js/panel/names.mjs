/**
 * Owns the form in which the names on a node are chosen from those that are in use, or typed. Any name is as good.
 */

import { el, fill } from "./dom.mjs";

const NODES = ["SaveToArtifactDB", "LoadFromArtifactDB"];
const NAMED = ["chain", "step", "workflow"];
const BUTTON = "artifact_db_names";
const TYPING_PAUSE = 150;
const SUGGESTED = 50;

export class Names {
  constructor({ client, t }) {
    Object.assign(this, { client, t });
  }

  /** Give one of our nodes the button that opens the form. It is the last widget, and never part of what is saved. */
  offer(node) {
    if (!NODES.includes(node.comfyClass) || node.widgets.some((widget) => widget.name === BUTTON)) return;
    const button = node.addWidget("button", BUTTON, null, () => this.ask(node), { serialize: false });
    button.label = this.t("names.choose");
    button.serialize = false;
  }

  /** Open the form for a node. */
  ask(node) {
    const { t } = this;
    const widgets = NAMED.map((name) => node.widgets.find((one) => one.name === name)).filter(Boolean);
    const fields = new Map();
    for (const widget of widgets) fields.set(widget.name, this.#field(widget, isLinked(node, widget.name), fields));
    const dialog = el(
      "dialog",
      { class: "adb-names", "aria-label": t("names.title"), onclose: () => this.#end(dialog, node, widgets, fields) },
      el(
        "form",
        { method: "dialog" },
        el("h2", {}, t("names.title")),
        ...[...fields.values()].map(({ element }) => element),
        el(
          "div",
          { class: "adb-row" },
          el("button", { class: "adb-button adb-primary", value: "use" }, t("names.use")),
          el("button", { class: "adb-button", value: "", formNoValidate: true }, t("action.cancel")),
        ),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  }

  #field(widget, linked, fields) {
    const { t } = this;
    const list = el("datalist", { id: `adb-names-${widget.name}` });
    const input = el("input", {
      type: "text",
      value: widget.value,
      maxLength: 255,
      disabled: linked,
      autocomplete: "off",
      onfocus: () => this.#suggest(widget.name, input, list, fields),
      oninput: () => {
        clearTimeout(this.typing);
        this.typing = setTimeout(() => this.#suggest(widget.name, input, list, fields), TYPING_PAUSE);
      },
    });
    input.setAttribute("list", list.id);
    const label = t(`filter.${widget.name}`);
    const element = el("label", {}, el("span", {}, label), input, list, linked && el("small", {}, t("names.linked")));
    return { element, input };
  }

  async #suggest(kind, input, list, fields) {
    const query = new URLSearchParams({ kind, q: input.value.trim(), limit: String(SUGGESTED) });
    const chain = fields.get("chain")?.input.value.trim();
    if (kind === "step" && chain) query.set("chain", chain);
    const asked = (list.dataset.asked = query.toString());
    const { items } = await this.client.get(`/names?${query}`).catch(() => ({ items: [] }));
    if (list.dataset.asked === asked) fill(list, ...items.map((name) => el("option", { value: name })));
  }

  #end(dialog, node, widgets, fields) {
    clearTimeout(this.typing);
    dialog.remove();
    if (dialog.returnValue !== "use") return;
    for (const widget of widgets) {
      const { input } = fields.get(widget.name);
      if (input.disabled || input.value === widget.value) continue;
      widget.value = input.value;
      widget.callback?.(input.value);
    }
    node.setDirtyCanvas(true, true);
  }
}

function isLinked(node, name) {
  const input = node.inputs?.find((one) => one.widget?.name === name);
  return input?.link !== undefined && input?.link !== null;
}
