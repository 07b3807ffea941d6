/**
 * Owns the list of chains: a row each, newest first, redrawn alone when its chain changes.
 */

import { Problem } from "./client.mjs";
import { button, el, fill, icon, refill } from "./dom.mjs";
import { chainBadge, dot, elapsed, statusOf } from "./standing.mjs";
import { isOver, isUnderWay } from "./steps.mjs";
import { when } from "./words.mjs";

const STATES = ["awaiting_approval", "failed", "completed", "cancelled"];
const MORE_WITHIN = 600;

export class ChainList {
  /**
   * @param {import("./chain_pages.mjs").ChainPages} pages
   * @param {{t: any, language: string, open: (id: string) => void, undelete: (chain: any) => void,
   *          may: (permission: string) => boolean}} tools
   */
  constructor(pages, tools) {
    Object.assign(this, { pages, tools });
    const { t } = tools;
    this.rows = new Map();
    this.current = null;
    this.select = el(
      "select",
      { "aria-label": t("chains.filter"), onchange: () => this.#filter() },
      el("option", { value: "" }, t("chains.any")),
      ...STATES.map((state) => el("option", { value: state }, t(`chain.${state}`))),
      el("option", { value: "trash" }, t("chains.trash")),
    );
    this.message = el("div", { class: "adb-chain-message", role: "status" });
    this.list = el("ul", { class: "adb-chain-rows", "aria-label": t("chains.label") });
    this.scroll = el("div", { class: "adb-chain-scroll" }, this.message, this.list);
    this.element = el("div", { class: "adb-chain-list" }, el("div", { class: "adb-row adb-chain-filter" }, this.select), this.scroll);
    this.scroll.addEventListener("scroll", () => this.#more(), { passive: true });
    this.list.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Draw what is there now; of the rows only those are touched whose chain is another one. */
  draw(opened) {
    this.opened = opened;
    const { items, loading } = this.pages;
    this.list.setAttribute("aria-busy", String(loading));
    refill(this.message, ...this.#message());
    this.message.hidden = !this.message.childElementCount;
    const focused = this.list.contains(document.activeElement);
    const ids = new Set(items.map((chain) => chain.id));
    for (const [id, row] of this.rows) {
      if (ids.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    if (!ids.has(this.current)) this.current = items[0]?.id ?? null;
    let before = null;
    for (const chain of items) {
      let row = this.rows.get(chain.id);
      if (!row) this.rows.set(chain.id, (row = { element: el("li", {}) }));
      const next = before ? before.nextSibling : this.list.firstChild;
      if (row.element !== next) this.list.insertBefore(row.element, next);
      const looks = `${chain.id === opened} ${chain.id === this.current}`;
      if (row.chain !== chain || row.looks !== looks) refill(row.element, this.#row(chain, chain.id === opened));
      Object.assign(row, { chain, looks });
      before = row.element;
    }
    if (focused && !this.list.contains(document.activeElement)) this.focus();
    this.#more();
  }

  focus(id = this.current) {
    const row = this.rows.get(id) ?? this.rows.get(this.current);
    (row?.element.querySelector("button") ?? this.select).focus();
  }

  #filter() {
    const { value } = this.select;
    this.scroll.scrollTop = 0;
    this.pages.show(value === "trash" ? { trash: true } : { status: value });
  }

  #more() {
    const { scroll } = this;
    if (scroll.clientHeight && scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < MORE_WITHIN) this.pages.more();
  }

  #message() {
    const { t } = this.tools;
    const { items, loading, error } = this.pages;
    if (error) {
      const reason = error instanceof Problem ? error.message : t("failed.no_answer");
      const retry = () => this.pages.reload();
      return [icon("warning"), el("p", {}, t("list.failed", { reason })), button("retry", { label: t("list.retry"), text: t("list.retry"), onclick: retry })];
    }
    if (loading || items.length) return [];
    if (this.select.value) return [icon("filter"), el("p", {}, t("chains.nothing"))];
    return [icon("stack"), el("p", {}, t("chains.empty")), el("p", { class: "adb-hint" }, t("chains.empty_hint"))];
  }

  #row(chain, opened) {
    const { t, language, may, open } = this.tools;
    const status = statusOf(chain);
    const { steps, more, undelivered } = chain.overview;
    const inOrder = steps.toSorted((a, b) => (a.queued_at < b.queued_at ? -1 : 1));
    const told = [
      el(
        "span",
        { class: "adb-chain-line" },
        el("span", { class: "adb-chain-name", title: chain.name }, chain.name),
        el("time", { dateTime: chain.started_at, title: chain.started_at }, when(chain.started_at, language)),
      ),
      el(
        "span",
        { class: "adb-chain-line" },
        chainBadge(chain, t),
        elapsed(chain.started_at, chain.completed_at ?? chain.deleted_at),
        el("span", { class: "adb-dots", "aria-hidden": "true" }, ...inOrder.map((step) => dot(step.status)), more ? "…" : null),
      ),
      ...this.#now(chain, inOrder).map((text) => el("span", { class: "adb-chain-now" }, text)),
      undelivered && !isOver(chain)
        ? el("span", { class: "adb-chain-now adb-is-pending" }, icon("send"), el("span", {}, t("chains.undelivered", { n: undelivered })))
        : null,
    ];
    if (chain.deleted_at) {
      const back = () => this.tools.undelete(chain);
      return el("div", { class: "adb-chain-row" }, ...told, may("admin") ? button("undo", { label: t("action.undelete"), text: t("action.undelete"), onclick: back }) : null);
    }
    return el(
      "button",
      {
        type: "button",
        class: "adb-chain-row",
        "aria-current": opened ? "true" : null,
        tabIndex: chain.id === this.current ? 0 : -1,
        dataset: { do: `chain ${chain.id}`, state: status },
        onclick: () => {
          this.current = chain.id;
          open(chain.id);
        },
      },
      ...told,
    );
  }

  /** What happens in it at this moment: which step runs where, who is waited for, or why it failed. */
  #now(chain, steps) {
    const { t } = this.tools;
    const name = (step) => step.step_id ?? t("chains.unnamed");
    if (chain.status === "failed" && chain.error_message) return [chain.error_message];
    if (isOver(chain)) return [];
    const running = steps
      .filter(isUnderWay)
      .map((step) => t(step.server_address ? "chains.runs_on" : "chains.runs", { step: name(step), server: step.server_address }));
    const waiting = steps.filter((step) => step.status === "awaiting_approval").map((step) => t("chains.waits", { step: name(step) }));
    return [...running, ...waiting].slice(0, 3);
  }

  #key(event) {
    const by = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    const { items } = this.pages;
    const at = items.findIndex((chain) => chain.id === this.current);
    this.current = items[Math.max(0, Math.min(items.length - 1, at + by))]?.id ?? null;
    event.preventDefault();
    event.stopPropagation();
    this.draw(this.opened);
    this.focus();
  }
}
