/**
 * Owns what is asked for: waiting, all or chains, narrowed by state, kind, chain, step, workflow, tag and words.
 */

import { button, el, fill } from "./dom.mjs";
import { Suggest } from "./suggest.mjs";
import { when } from "./words.mjs";

const STATES = ["pending", "approved", "auto_approved", "edited", "rejected"];
const KINDS = ["image", "video", "audio", "text", "latent", "3d", "other"];
const TYPING_PAUSE = 180;

export class Filters {
  /**
   * @param {{client: any, t: any, live: any, language: string}} tools
   * @param {(filters: Record<string, any>) => void} onchange
   * @param {(view: "artifacts"|"chains") => void} onview
   */
  constructor({ client, t, live, language }, onchange, onview) {
    Object.assign(this, { client, t, language, onchange, onview, view: "artifacts" });
    this.value = { queue: true };
    this.waiting = el("span", { class: "adb-count", hidden: true });
    this.tabs = {
      queue: this.#tab("queue", t("tab.waiting"), this.waiting),
      all: this.#tab("all", t("tab.all")),
      chains: this.#tab("chains", t("tab.chains")),
    };
    this.words = el("input", {
      type: "search",
      class: "adb-search",
      placeholder: t("search.placeholder"),
      title: t("search.label"),
      "aria-label": t("search.label"),
      maxLength: 255,
      oninput: () => this.#typed(),
    });
    this.toggle = button("filter", { label: t("filter.more"), onclick: () => this.#open() });
    this.toggle.setAttribute("aria-expanded", "false");
    this.more = el("div", { class: "adb-filters", hidden: true, role: "group", "aria-label": t("filter.more") });
    this.row = el("div", { class: "adb-row" }, this.words, this.toggle);
    this.element = el(
      "div",
      { class: "adb-head" },
      el("div", { class: "adb-tabs", role: "group", "aria-label": t("tab.label") }, ...Object.values(this.tabs)),
      this.row,
      this.more,
    );
    this.#mark();
    this.count();
    this.end = live.listen((event) => event.entity_type === "artifact" && this.#countSoon());
  }

  destroy() {
    this.end();
    clearTimeout(this.soon);
    clearTimeout(this.typing);
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

  /** Waiting, or all; narrowed no more. */
  clear({ queue = this.value.queue } = {}) {
    clearTimeout(this.typing);
    this.words.value = "";
    this.#show({ queue });
    if (!this.more.hidden) this.#fill();
  }

  #countSoon() {
    this.soon ??= setTimeout(() => {
      this.soon = undefined;
      this.count();
    }, 150);
  }

  #tab(key, label, count) {
    const onclick = () => this.turnTo(key);
    return el("button", { type: "button", class: "adb-tab", dataset: { tab: key }, onclick }, label, count);
  }

  /** What waits (`queue`), `all`, or `chains`. */
  turnTo(key) {
    const view = key === "chains" ? "chains" : "artifacts";
    if (view !== this.view) {
      this.view = view;
      this.row.hidden = view === "chains";
      if (view === "chains") this.#close();
      this.onview(view);
    }
    if (view === "chains") this.#mark();
    else {
      const queue = key === "queue";
      this.#show({ ...this.value, queue, trash: queue ? false : this.value.trash });
      if (!this.more.hidden) this.#fill();
    }
  }

  #close() {
    this.more.hidden = true;
    this.toggle.setAttribute("aria-expanded", "false");
  }

  #show(value) {
    this.value = value;
    this.#mark();
    this.onchange(value);
  }

  #mark() {
    const shown = this.view === "chains" ? "chains" : this.value.queue ? "queue" : "all";
    for (const [key, tab] of Object.entries(this.tabs)) tab.setAttribute("aria-pressed", String(key === shown));
    const narrowed = Object.entries(this.value).some(([name, value]) => value && name !== "queue" && name !== "q");
    this.toggle.classList.toggle("adb-narrowed", narrowed);
    this.toggle.title = this.t(narrowed ? "filter.more_active" : "filter.more");
  }

  #typed() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => {
      const q = this.words.value.trim();
      if (q !== (this.value.q ?? "")) this.#show({ ...this.value, q });
    }, TYPING_PAUSE);
  }

  async #open() {
    this.more.hidden = !this.more.hidden;
    this.toggle.setAttribute("aria-expanded", String(!this.more.hidden));
    if (!this.more.hidden) await this.#fill();
  }

  async #fill() {
    const { t } = this;
    const none = { items: [] };
    const [chains, workflows] = await Promise.all([
      this.client.get("/chains?limit=100").catch(() => none),
      this.client.get("/workflows?limit=100").catch(() => none),
    ]);
    const run = ({ workflow_name: name, step_id: step, created_at: at }) =>
      [step ?? name, when(at, this.language)].filter(Boolean).join(" · ");
    fill(
      this.more,
      this.#select("status", STATES.map((state) => [state, t(`status.${state}`)])),
      this.#select("kind", KINDS.map((kind) => [kind, t(`kind.${kind}`)])),
      this.#select("chain", chains.items.map((chain) => [chain.id, chain.name])),
      this.#text("step"),
      this.#select("workflow", workflows.items.map((workflow) => [workflow.id, run(workflow)])),
      this.#tag(),
      this.#flag("latest"),
      this.#flag("trash", { queue: false }),
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
      placeholder: t(`filter.any_${name}`),
      "aria-label": t(`filter.${name}`),
      value: this.value[name] ?? "",
      onchange: (event) => this.#show({ ...this.value, [name]: event.target.value.trim() }),
    });
  }

  /** A hub may have thousands of tags: they are offered while one is typed. */
  #tag() {
    const { t, client } = this;
    return new Suggest({
      t,
      label: t("filter.tag"),
      placeholder: t("filter.any_tag"),
      value: this.value.tag ?? "",
      find: async (text) => (await client.tags(text)).items,
      take: (tag) => this.#show({ ...this.value, tag }),
      keeps: true,
    }).element;
  }

  /** @param {Record<string, any>} with_ what else holds while it is set */
  #flag(name, with_ = {}) {
    const { t } = this;
    return el(
      "label",
      { class: "adb-flag" },
      el("input", {
        type: "checkbox",
        checked: Boolean(this.value[name]),
        onchange: ({ target }) => this.#show({ ...this.value, ...(target.checked ? with_ : {}), [name]: target.checked }),
      }),
      t(`filter.${name}`),
    );
  }
}
