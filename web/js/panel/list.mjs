/**
 * Owns the list: a grid of which only the seen cells exist, each redrawn alone when its artifact changes.
 */

import { button, el, fill, icon } from "./dom.mjs";
import * as grid from "./grid.mjs";
import { badge } from "./status.mjs";

const LOOK = { least: 92, gap: 8, caption: 22 };

export class List {
  /**
   * @param {import("./collection.mjs").Collection} collection
   * @param {{client: any, t: any, open: (id: string) => void, drag?: (event: DragEvent, artifact: any) => void}} tools
   */
  constructor(collection, tools) {
    this.collection = collection;
    this.tools = tools;
    this.cells = new Map();
    this.current = 0;
    this.look = grid.layout(280, LOOK);
    this.canvas = el("div", { class: "adb-canvas", role: "grid", "aria-label": tools.t("list.label") });
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
      const cell = this.cells.get(id);
      if (cell) this.#draw(cell, this.collection.get(id));
      return;
    }
    if (kind === "all") this.current = Math.min(this.current, Math.max(0, this.collection.items.length - 1));
    this.#say();
    this.#later();
  }

  /** Put the focus on an artifact's cell, and scroll to it. */
  focus(id) {
    const index = this.collection.indexOf(id);
    if (index >= 0) this.#focus(index);
  }

  #measure() {
    const width = this.canvas.clientWidth;
    if (!width) return;
    this.look = grid.layout(width, LOOK);
    this.element.style.setProperty("--adb-side", `${this.look.side}px`);
    this.#later();
  }

  #later() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.#arrange());
  }

  #arrange() {
    const { items, loading, complete } = this.collection;
    const waiting = loading && items.length === 0 ? 12 : 0;
    const count = items.length + waiting;
    this.canvas.style.height = `${grid.height(count, this.look)}px`;
    this.canvas.setAttribute("aria-rowcount", complete ? Math.ceil(count / this.look.columns) : -1);
    const [first, last] = grid.range(this.element.scrollTop, this.element.clientHeight, count, this.look);
    const kept = new Set();
    for (let index = first; index < last; index += 1) {
      const artifact = items[index];
      const key = artifact?.id ?? `waiting-${index}`;
      kept.add(key);
      let cell = this.cells.get(key);
      if (!cell) {
        cell = this.#cell(artifact);
        this.cells.set(key, cell);
        this.canvas.append(cell.element);
      }
      const { x, y } = grid.place(index, this.look);
      cell.element.style.transform = `translate(${x}px, ${y}px)`;
      cell.index = index;
      cell.element.tabIndex = index === this.current ? 0 : -1;
    }
    for (const [key, cell] of this.cells) {
      if (!kept.has(key)) {
        cell.element.remove();
        this.cells.delete(key);
      }
    }
    if (last > items.length - this.look.columns * 6) this.collection.more();
  }

  #cell(artifact) {
    const element = el("div", { class: "adb-cell", role: "gridcell" });
    const cell = { element, id: artifact?.id };
    if (!artifact) {
      element.classList.add("adb-skeleton");
      return cell;
    }
    cell.picture = el("img", { class: "adb-thumb", alt: "", loading: "eager", decoding: "async", draggable: true });
    cell.marks = el("div", { class: "adb-marks" });
    cell.caption = el("div", { class: "adb-caption" });
    element.append(el("div", { class: "adb-frame" }, cell.picture, cell.marks), cell.caption);
    cell.picture.addEventListener("load", () => element.classList.add("adb-loaded"));
    element.addEventListener("click", () => {
      this.current = cell.index;
      this.tools.open(cell.id);
    });
    element.addEventListener("dragstart", (event) => this.tools.drag?.(event, this.collection.get(cell.id)));
    this.#draw(cell, artifact);
    return cell;
  }

  #draw(cell, artifact) {
    const { t, client } = this.tools;
    const url = client.link(artifact.thumbnail_url);
    if (cell.url !== url) {
      cell.url = url;
      cell.picture.src = url;
    }
    fill(
      cell.marks,
      badge(artifact, t),
      artifact.version > 1 ? el("span", { class: "adb-mark" }, t("cell.version", { n: artifact.version })) : null,
      artifact.is_latest
        ? el("span", { class: "adb-mark adb-current", title: t("cell.current") }, icon("star"))
        : null,
    );
    cell.caption.textContent = artifact.filename;
    cell.caption.title = artifact.filename;
    cell.element.setAttribute(
      "aria-label",
      t("cell.label", {
        name: artifact.filename,
        version: artifact.version,
        status: t(`status.${artifact.approval_status}`),
      }),
    );
  }

  #say() {
    const { t } = this.tools;
    const { items, loading, error, filters } = this.collection;
    this.canvas.setAttribute("aria-busy", String(loading));
    if (error) {
      fill(
        this.message,
        el("p", {}, t("list.failed", { reason: error.message })),
        button("undo", { label: t("list.retry"), text: t("list.retry"), onclick: () => this.collection.reload() }),
      );
    } else if (!loading && items.length === 0) {
      const narrowed = Object.entries(filters).some(([name, value]) => value && name !== "queue");
      const key = narrowed ? "list.nothing" : filters.queue ? "list.caught_up" : "list.empty";
      fill(this.message, icon(filters.queue && !narrowed ? "check" : "stack"), el("p", {}, t(key)));
    } else fill(this.message);
    this.message.hidden = !this.message.childElementCount;
  }

  #key(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.look.columns, ArrowDown: this.look.columns };
    const count = this.collection.items.length;
    if (event.key === "Enter" || event.key === " ") {
      const artifact = this.collection.items[this.current];
      if (artifact && event.target.closest(".adb-cell")) this.tools.open(artifact.id);
      else return;
    } else if (event.key === "Home") this.#focus(0);
    else if (event.key === "End") this.#focus(count - 1);
    else if (event.key in steps) this.#focus(this.current + steps[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #focus(index) {
    const count = this.collection.items.length;
    if (!count) return;
    this.current = Math.max(0, Math.min(count - 1, index));
    const { scrollTop, clientHeight } = this.element;
    this.element.scrollTop = grid.scrollTo(this.current, scrollTop, clientHeight, this.look);
    this.#arrange();
    this.cells.get(this.collection.items[this.current].id)?.element.focus({ preventScroll: true });
  }
}
