/**
 * Owns what is asked for: waiting or all, narrowed by state, kind, chain, step, tag and words.
 */

import { button, el, fill } from "./dom.mjs";

const STATES = ["pending", "approved", "auto_approved", "edited", "rejected"];
const KINDS = ["image", "video", "audio", "text", "latent", "3d", "other"];

export class Filters {
  /**
   * @param {{client: any, t: any, live: any}} tools
   * @param {(filters: Record<string, any>) => void} onchange
   */
  constructor({ client, t, live }, onchange) {
    Object.assign(this, { client, t, onchange });
    this.value = { queue: true };
    this.waiting = el("span", { class: "adb-count", hidden: true });
    this.tabs = {
      queue: this.#tab("queue", t("tab.waiting"), this.waiting),
      all: this.#tab("all", t("tab.all")),
    };
    this.words = el("input", {
      type: "search",
      class: "adb-search",
      placeholder: t("search.placeholder"),
      "aria-label": t("search.label"),
      oninput: () => this.#typed(),
    });
    this.toggle = button("more", { label: t("filter.more"), onclick: () => this.#open(), pressed: false });
    this.more = el("div", { class: "adb-filters", hidden: true });
    this.element = el(
      "div",
      { class: "adb-head" },
      el("div", { class: "adb-tabs", role: "tablist", "aria-label": t("tab.label") }, this.tabs.queue, this.tabs.all),
      el("div", { class: "adb-row" }, this.words, this.toggle),
      this.more,
    );
    this.#mark();
    this.count();
    live.listen((event) => event.entity_type === "artifact" && this.#countSoon());
  }

  /** Ask how many wait. */
  async count() {
    try {
      const { waiting, more } = await this.client.waiting();
      this.waiting.hidden = waiting === 0;
      this.waiting.textContent = more ? `${waiting}+` : String(waiting);
    } catch {
      this.waiting.hidden = true; // the list says what is the matter
    }
  }

  #countSoon() {
    this.soon ??= setTimeout(() => {
      this.soon = undefined;
      this.count();
    }, 150);
  }

  #tab(key, label, count) {
    return el(
      "button",
      { type: "button", role: "tab", class: "adb-tab", onclick: () => this.#show({ ...this.value, queue: key === "queue" }) },
      label,
      count,
    );
  }

  #show(value) {
    this.value = value;
    this.#mark();
    this.onchange(value);
  }

  #mark() {
    this.tabs.queue.setAttribute("aria-selected", String(Boolean(this.value.queue)));
    this.tabs.all.setAttribute("aria-selected", String(!this.value.queue));
  }

  #typed() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.#show({ ...this.value, q: this.words.value.trim() }), 180);
  }

  async #open() {
    this.more.hidden = !this.more.hidden;
    this.toggle.setAttribute("aria-pressed", String(!this.more.hidden));
    if (this.more.hidden) return;
    const { t } = this;
    const [tags, chains] = await Promise.all([
      this.client.get("/tags?limit=200").catch(() => ({ items: [] })),
      this.client.get("/chains?limit=100").catch(() => ({ items: [] })),
    ]);
    fill(
      this.more,
      this.#select("status", STATES.map((state) => [state, t(`status.${state}`)])),
      this.#select("kind", KINDS.map((kind) => [kind, t(`kind.${kind}`)])),
      this.#select("chain", chains.items.map((chain) => [chain.id, chain.name])),
      this.#text("step"),
      this.#select("tag", tags.items.map(({ tag, count }) => [tag, `${tag} (${count})`])),
      this.#flag("latest"),
    );
  }

  #select(name, options) {
    const { t } = this;
    const select = el(
      "select",
      {
        "aria-label": t(`filter.${name}`),
        onchange: () => this.#show({ ...this.value, [name]: select.value }),
      },
      el("option", { value: "" }, t(`filter.any_${name}`)),
      ...options.map(([value, label]) => el("option", { value, selected: this.value[name] === value }, label)),
    );
    return select;
  }

  #text(name) {
    const { t } = this;
    return el("input", {
      type: "text",
      placeholder: t(`filter.${name}`),
      "aria-label": t(`filter.${name}`),
      value: this.value[name] ?? "",
      onchange: (event) => this.#show({ ...this.value, [name]: event.target.value.trim() }),
    });
  }

  #flag(name) {
    const { t } = this;
    return el(
      "label",
      { class: "adb-flag" },
      el("input", {
        type: "checkbox",
        checked: Boolean(this.value[name]),
        onchange: (event) => this.#show({ ...this.value, [name]: event.target.checked }),
      }),
      t(`filter.${name}`),
    );
  }
}
