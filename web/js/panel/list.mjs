/**
 * Owns the list: cells of which only the seen ones exist, each redrawn alone when its artifact changes.
 */

import { el, fill } from "./dom.mjs";
import { Cell } from "./cell.mjs";
import * as grid from "./grid.mjs";
import { message } from "./messages.mjs";

const LOOK = { least: 92, most: 168, gap: 8, caption: 22 };
const SKELETONS = 12;

export class List {
  /**
   * @param {import("./collection.mjs").Collection} collection
   * @param {import("./selection.mjs").Selection} selection
   * @param {{client: any, t: any, open: (id: string) => void, clear: () => void, mayPick: () => boolean,
   *          drag?: (event: DragEvent, artifact: any) => void}} tools
   */
  constructor(collection, selection, tools) {
    Object.assign(this, { collection, selection });
    this.tools = { ...tools, thumbnail: () => this.thumbnail };
    this.cells = new Map();
    this.current = { index: 0, id: null };
    this.look = grid.layout(280, LOOK);
    this.thumbnail = grid.thumbnail(this.look.side, devicePixelRatio);
    this.seen = 0;
    this.height = 0;
    this.canvas = el("div", { class: "adb-canvas", role: "listbox", "aria-multiselectable": "true", "aria-label": tools.t("list.label") });
    this.message = el("div", { class: "adb-message", role: "status" });
    this.element = el("div", { class: "adb-list", tabIndex: -1 }, this.message, this.canvas);
    this.element.addEventListener("scroll", () => this.#later(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.sizes = new ResizeObserver(() => this.#measure());
    this.sizes.observe(this.element);
  }

  destroy() {
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
  }

  /** Something of the collection changed: one artifact, a further page, or all. */
  changed(kind, id) {
    if (kind === "one") {
      this.cells.get(id)?.draw(this.collection.get(id), this.collection.stacks.size(this.collection.indexOf(id)));
      return;
    }
    const narrowed = kind === "all" && this.collection.loading && this.shown !== this.collection.filters;
    if (narrowed) {
      this.shown = this.collection.filters;
      this.current = { index: 0, id: null };
      this.element.scrollTop = 0;
    }
    this.#say();
    this.#later();
  }

  /** Something of what is selected changed, or who may select. */
  picked() {
    this.element.classList.toggle("adb-picking", this.#picks);
    this.#later();
  }

  /** Put the focus on an artifact's cell, or on what took its place, and scroll to it. */
  focus(id = this.current.id) {
    const index = this.collection.indexOf(id);
    this.#focus(index >= 0 ? index : this.#currentIndex());
  }

  #currentIndex() {
    const { items } = this.collection;
    const index = this.current.id ? this.collection.indexOf(this.current.id) : -1;
    return index >= 0 ? index : Math.max(0, Math.min(this.current.index, items.length - 1));
  }

  #measure() {
    const width = this.canvas.clientWidth;
    if (!width) return;
    this.seen = this.element.clientHeight;
    this.look = grid.layout(width, LOOK);
    this.thumbnail = grid.thumbnail(this.look.side, devicePixelRatio);
    this.element.style.setProperty("--adb-side", `${this.look.side}px`);
    this.#later();
  }

  #later() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.#arrange());
  }

  #arrange() {
    const { items, loading, complete, error, stacks } = this.collection;
    const count = loading && items.length === 0 ? SKELETONS : items.length;
    const height = grid.height(count, this.look);
    // Read before anything is written: a layout between the two would be one for each frame of a scroll.
    const top = this.element.scrollTop;
    if (height !== this.height) this.canvas.style.height = `${height}px`;
    this.height = height;
    const focused = this.canvas.contains(document.activeElement);
    const index = this.#currentIndex();
    // Until somebody has chosen one, Tab leads to the first, whatever comes in before it.
    this.current = { index, id: this.current.id || focused ? (items[index]?.id ?? null) : null };
    const indexes = this.#inSight(top, count, index);
    const keys = new Map(indexes.map((at) => [items[at]?.id ?? `skeleton-${at}`, at]));
    for (const [key, cell] of this.cells) {
      if (keys.has(key)) continue;
      cell.element.remove();
      this.cells.delete(key);
    }
    // In the order in which they are seen, which is the order in which a screen reader reads them.
    let before = null;
    for (const [key, at] of keys) {
      let cell = this.cells.get(key);
      if (!cell) {
        cell = new Cell(items[at], this.tools, (id, clicked) => this.#clicked(id, clicked));
        this.cells.set(key, cell);
        this.canvas.insertBefore(cell.element, before ? before.nextSibling : this.canvas.firstChild);
      }
      cell.place(at, complete ? count : -1, grid.place(at, this.look), at === index, this.selection.has(at));
      if (cell.size !== stacks.size(at) || (items[at] && cell.thumbnail !== this.thumbnail)) cell.draw(items[at], stacks.size(at));
      before = cell.element;
    }
    if (focused && !this.canvas.contains(document.activeElement)) this.#focus(index);
    const last = Math.max(0, ...indexes);
    if (!error && last + 1 > items.length - this.look.columns * 6) this.collection.more();
  }

  /** The indexes that must be there: what is seen, and what has the focus, so that it is never lost by scrolling. */
  #inSight(top, count, current) {
    const [first, last] = grid.range(top, this.seen, count, this.look);
    const indexes = Array.from({ length: Math.max(0, last - first) }, (_, at) => first + at);
    if (current < count && current < first) indexes.unshift(current);
    else if (current < count && current >= last) indexes.push(current);
    return indexes;
  }

  get #picks() {
    return this.tools.mayPick() && !this.collection.filters.trash;
  }

  #clicked(id, { shiftKey, ctrlKey, metaKey, target }) {
    const index = this.collection.indexOf(id);
    const picks = this.#picks && (shiftKey || ctrlKey || metaKey || target.closest(".adb-tick"));
    if (picks) this.#pick(index, shiftKey);
    else this.#open(id);
  }

  /** Select what is at an index, or no longer; a range begins where somebody was last. */
  #pick(index, range) {
    const before = this.#currentIndex();
    if (!this.#picks || !this.collection.items[index]) return;
    this.current = { index, id: this.collection.items[index].id };
    if (range) this.selection.extend(index, before);
    else this.selection.toggle(index);
  }

  #open(id) {
    this.current = { index: this.collection.indexOf(id), id };
    this.#later();
    this.tools.open(id);
  }

  #say() {
    const { collection, tools } = this;
    const { loading, items } = collection;
    this.canvas.setAttribute("aria-busy", String(loading));
    this.element.classList.toggle("adb-picking", this.#picks);
    fill(this.message, ...message(collection, tools));
    this.message.hidden = !this.message.childElementCount;
    this.message.classList.toggle("adb-above", items.length > 0);
  }

  #key(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.look.columns, ArrowDown: this.look.columns };
    const page = Math.max(1, Math.floor(this.seen / this.look.rowHeight)) * this.look.columns;
    Object.assign(steps, { PageUp: -page, PageDown: page });
    if (event.altKey || event.target.closest("button")) return;
    const { items } = this.collection;
    const current = this.#currentIndex();
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() !== "a" || !this.#picks) return;
      this.selection.all();
    } else if (event.key === "x" || event.key === "X") this.#pick(current, event.shiftKey);
    else if (event.key === "Enter" || event.key === " ") {
      if (!items[current] || !event.target.closest(".adb-cell")) return;
      this.#open(items[current].id);
    } else if (event.key === "Home") this.#focus(0);
    else if (event.key === "End") this.#focus(items.length - 1);
    else if (event.key in steps) this.#focus(current + steps[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #focus(wanted) {
    const { items } = this.collection;
    if (!items.length) {
      this.element.focus({ preventScroll: true });
      return;
    }
    const index = Math.max(0, Math.min(items.length - 1, wanted));
    this.current = { index, id: items[index].id };
    const { scrollTop } = this.element;
    const wantedTop = grid.scrollTo(index, scrollTop, this.seen, this.look);
    if (wantedTop !== scrollTop) this.element.scrollTop = wantedTop;
    this.#arrange();
    this.cells.get(this.current.id)?.element.focus({ preventScroll: true });
  }
}
