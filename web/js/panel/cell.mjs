/**
 * Owns one cell of the list: a thumbnail, its marks and its name. It changes nothing that is as it should be.
 */

import { el, icon, refill } from "./dom.mjs";
import { badge, stateOf } from "./status.mjs";

export class Cell {
  /**
   * @param {any} artifact none for a skeleton
   * @param {{client: any, t: any, drag?: (event: DragEvent, artifact: any) => void}} tools
   * @param {(id: string) => void} open
   */
  constructor(artifact, tools, open) {
    this.tools = tools;
    this.element = el("div", { class: "adb-cell" });
    if (!artifact) {
      this.element.classList.add("adb-skeleton");
      this.element.setAttribute("aria-hidden", "true");
      return;
    }
    this.element.setAttribute("role", "option");
    this.picture = el("img", { class: "adb-thumb", alt: "", decoding: "async", draggable: Boolean(tools.drag) });
    this.marks = el("div", { class: "adb-marks" });
    this.caption = el("div", { class: "adb-caption" });
    this.element.append(el("div", { class: "adb-frame" }, this.picture, this.marks), this.caption);
    this.picture.addEventListener("load", () => this.element.classList.add("adb-loaded"));
    this.element.addEventListener("click", () => open(this.artifact.id));
    this.element.addEventListener("dragstart", (event) => tools.drag?.(event, this.artifact));
    this.draw(artifact);
  }

  /** Where it is, the how-manieth of how many (-1: nobody knows yet), and whether Tab leads to it. */
  place(index, count, { x, y }, current) {
    const transform = `translate(${x}px, ${y}px)`;
    if (this.element.style.transform !== transform) this.element.style.transform = transform;
    if (!this.artifact) return;
    this.#set("aria-posinset", index + 1);
    this.#set("aria-setsize", count);
    this.#set("tabindex", current ? 0 : -1);
    this.#set("aria-selected", current);
  }

  draw(artifact) {
    const { t, client } = this.tools;
    this.artifact = artifact;
    const url = client.link(artifact.thumbnail_url);
    if (this.url !== url) {
      this.url = url;
      this.picture.src = url;
    }
    const stack = artifact.version > 1;
    this.element.classList.toggle("adb-stack", stack);
    refill(
      this.marks,
      badge(artifact, t),
      stack
        ? el("span", { class: "adb-mark", title: t("cell.versions", { n: artifact.version }) }, t("cell.version", { n: artifact.version }))
        : null,
      artifact.is_latest ? el("span", { class: "adb-mark adb-current", title: t("cell.current_hint") }, icon("star")) : null,
    );
    if (this.caption.textContent !== artifact.filename) {
      this.caption.textContent = artifact.filename;
      this.caption.title = artifact.filename;
    }
    const status = t(`status.${stateOf(artifact).key}`);
    const words = t("cell.label", { name: artifact.filename, version: artifact.version, status });
    this.#set("aria-label", artifact.is_latest ? `${words}, ${t("cell.current")}` : words);
  }

  #set(name, value) {
    if (this.element.getAttribute(name) !== String(value)) this.element.setAttribute(name, String(value));
  }
}
