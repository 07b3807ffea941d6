/**
 * Owns one cell of the list: a thumbnail, its marks and its name. It changes nothing that is as it should be.
 */

import { el, fill, icon, refill } from "./dom.mjs";
import { Scrub } from "./scrub.mjs";
import { badge, stateOf } from "./status.mjs";
import { ending, lasting } from "./words.mjs";

const PLAYED = { video: { icon: "play", name: "cell.video" }, audio: { icon: "note", name: "cell.audio" } };

export class Cell {
  /**
   * @param {any} artifact none for a skeleton
   * @param {{client: any, t: any, thumbnail: () => string, drag?: (event: DragEvent, artifact: any) => void}} tools
   * @param {(id: string, event: MouseEvent) => void} clicked
   */
  constructor(artifact, tools, clicked) {
    this.tools = tools;
    this.element = el("div", { class: "adb-cell" });
    this.size = 0;
    if (!artifact) {
      this.element.classList.add("adb-skeleton");
      this.element.setAttribute("aria-hidden", "true");
      return;
    }
    this.element.setAttribute("role", "option");
    this.picture = el("img", { class: "adb-thumb", alt: "", decoding: "async", draggable: Boolean(tools.drag) });
    this.marks = el("div", { class: "adb-marks" });
    this.caption = el("div", { class: "adb-caption" });
    this.played = el("div", { class: "adb-played" });
    // For the mouse alone: there are keys that do the same.
    const tick = el("span", { class: "adb-tick", title: tools.t("cell.pick"), "aria-hidden": "true" }, icon("check"));
    const frame = el("div", { class: "adb-frame" }, this.picture, this.marks, this.played, tick);
    this.element.append(frame, this.caption);
    this.scrub = new Scrub(frame, () => (moves(this.artifact) ? tools.client.thumbnail(this.artifact, "strip") : null));
    this.picture.addEventListener("load", () => this.element.classList.add("adb-loaded"));
    this.element.addEventListener("click", (event) => clicked(this.artifact.id, event));
    this.element.addEventListener("dragstart", (event) => tools.drag?.(event, this.artifact));
    this.draw(artifact, 1);
  }

  /** Where it is, the how-manieth of how many (-1: nobody knows yet), whether Tab leads to it, and whether it is selected. */
  place(index, count, { x, y }, current, selected) {
    const transform = `translate(${x}px, ${y}px)`;
    if (this.element.style.transform !== transform) this.element.style.transform = transform;
    if (!this.artifact) return;
    this.#set("aria-posinset", index + 1);
    this.#set("aria-setsize", count);
    this.#set("tabindex", current ? 0 : -1);
    this.#set("aria-selected", selected);
  }

  /** Draw it as it is now; `size` outputs lie in its stack, of which it is the one that is seen. */
  draw(artifact, size) {
    const { t, client } = this.tools;
    this.artifact = artifact;
    this.size = size;
    this.thumbnail = this.tools.thumbnail();
    const url = client.thumbnail(artifact, this.thumbnail);
    if (this.url !== url) {
      this.url = url;
      this.picture.src = url;
    }
    this.element.classList.toggle("adb-stack", artifact.version > 1 || size > 1);
    refill(
      this.marks,
      badge(artifact, t),
      artifact.version > 1
        ? el("span", { class: "adb-mark", title: t("cell.versions", { n: artifact.version }) }, t("cell.version", { n: artifact.version }))
        : null,
      size > 1 ? el("span", { class: "adb-mark", title: t("cell.batch", { n: size }) }, icon("stack"), String(size)) : null,
      artifact.is_latest ? el("span", { class: "adb-mark adb-current", title: t("cell.current_hint") }, icon("star")) : null,
    );
    const played = PLAYED[artifact.file_type];
    const { duration } = artifact.metadata;
    refill(
      this.played,
      played ? el("span", { class: "adb-mark" }, icon(played.icon), duration ? lasting(duration) : null) : null,
    );
    this.#name(artifact.filename);
    const status = t(`status.${stateOf(artifact).key}`);
    const words = [t("cell.label", { name: artifact.filename, version: artifact.version, status })];
    if (played) words.push(t(played.name), ...(duration ? [lasting(duration)] : []));
    if (size > 1) words.push(t("cell.batch", { n: size }));
    if (artifact.is_latest) words.push(t("cell.current"));
    this.#set("aria-label", words.join(", "));
  }

  /** A name that is too long is cut before its end, which is what tells one of a batch from another. */
  #name(filename) {
    if (this.caption.title === filename) return;
    this.caption.title = filename;
    const end = ending(filename);
    fill(this.caption, el("span", {}, filename.slice(0, filename.length - end.length)), end ? el("span", {}, end) : null);
  }

  #set(name, value) {
    if (this.element.getAttribute(name) !== String(value)) this.element.setAttribute(name, String(value));
  }
}

/** Whether there are frames to look through. */
function moves({ file_type: kind, metadata }) {
  return kind === "video" || (kind === "image" && metadata.animated === true);
}
