/**
 * Owns the picture itself: one artifact large, or two compared side by side or under a slider.
 */

import { el, fill } from "./dom.mjs";
import { outputOf, placeInBatch } from "./stacks.mjs";
import { Zoom } from "./zoom.mjs";

export class Stage {
  constructor({ client, t }) {
    Object.assign(this, { client, t });
    this.mode = "one";
    this.split = 0.5;
    this.element = el("div", { class: "adb-stage" });
    this.element.addEventListener("pointermove", (event) => this.#slide(event));
    this.zoom = new Zoom(this.element, () => this.#natural(), (view) => this.#show(view));
    this.layers = [];
    this.handle = el("input", {
      ...{ type: "range", class: "adb-split", min: "0", max: "100", step: "1" },
      "aria-label": t("compare.slider"),
      oninput: () => this.#cut(Number(this.handle.value) / 100),
    });
  }

  destroy() {
    this.zoom.destroy();
  }

  /**
   * @param {any} artifact the one that is decided on
   * @param {any} [other] what it is compared with, in `mode` "side" or "slider"
   */
  show(artifact, other, mode = "one") {
    const wanted = other ? mode : "one";
    const keys = [artifact, other].filter(Boolean).map((one) => `${one.id} ${Boolean(one.deleted_at)}`);
    if (this.mode === wanted && keys.join() === this.layers.map((layer) => layer.key).join()) return;
    // Another way of looking at the same pictures: where one was looking stays.
    const same = this.layers[0]?.key === keys[0] && this.zoom.panes === (wanted === "side" ? 2 : 1);
    this.mode = wanted;
    const tell = other && outputOf(other) !== outputOf(artifact) ? this.#nth : this.#version;
    this.layers = other
      ? [this.#layer(artifact, "after", tell), this.#layer(other, "before", tell)]
      : [this.#layer(artifact, "one")];
    this.element.dataset.mode = this.mode;
    this.zoom.panes = this.mode === "side" ? 2 : 1;
    // What is before comes first, on the left and for a screen reader.
    fill(this.element, ...this.layers.map((layer) => layer.element).reverse());
    if (this.mode === "slider") this.element.append(this.handle);
    if (same && !this.zoom.isFitted) this.#show(this.zoom.view);
    else this.zoom.fit();
    this.#cut(this.split);
  }

  #version = (artifact) => this.t("cell.version", { n: artifact.version });

  #nth = (artifact) => this.t("batch.nth", { n: placeInBatch(artifact) });

  #layer(artifact, role, tell) {
    const layer = { key: `${artifact.id} ${Boolean(artifact.deleted_at)}`, artifact };
    layer.picture = el("img", { class: "adb-picture", alt: artifact.filename, draggable: false, decoding: "async" });
    layer.label = tell ? el("span", { class: "adb-layer-label" }, tell(artifact)) : null;
    layer.note = el("p", { class: "adb-note", hidden: true });
    layer.element = el("div", { class: `adb-layer adb-${role}` }, layer.picture, layer.label, layer.note);
    layer.picture.addEventListener("load", () => this.zoom.isFitted && this.zoom.fit());
    layer.picture.addEventListener("error", () => this.#cannot(layer));
    if (artifact.file_type === "image") layer.picture.src = this.client.link(artifact.url);
    else this.#cannot(layer);
    return layer;
  }

  /** What cannot be shown has a placeholder, and says why; where the bytes are right, the file can be downloaded. */
  async #cannot(layer) {
    if (layer.fallen) return;
    layer.fallen = true;
    layer.picture.src = this.client.link(layer.artifact.thumbnail_url);
    const { status } = await this.client.head(layer.artifact.url).catch(() => ({ status: 0 }));
    const why = { 0: "failed.no_answer", 409: "state.changed", 410: "state.gone" }[status] ?? "stage.failed";
    layer.note.textContent = this.t(why);
    layer.note.hidden = false;
  }

  #natural() {
    const { picture, artifact } = this.layers[0] ?? {};
    if (!picture) return { width: 0, height: 0 };
    const width = picture.naturalWidth || artifact.metadata.width || 0;
    const height = picture.naturalHeight || artifact.metadata.height || 0;
    return { width, height };
  }

  #show({ scale, x, y }) {
    if (!this.layers.length) return;
    const { width, height } = this.#natural();
    this.element.style.setProperty("--adb-scale", String(scale));
    for (const layer of this.layers) {
      Object.assign(layer.picture.style, {
        width: `${width}px`,
        height: `${height}px`,
        transform: `translate(${x}px, ${y}px) scale(${scale})`,
        imageRendering: scale >= 3 ? "pixelated" : "auto",
      });
    }
  }

  /** In the slider's mode the one before is seen left of the line, the one after right of it. */
  #cut(split) {
    this.split = split;
    if (this.mode !== "slider") return;
    const [after, before] = this.layers;
    const percent = split * 100;
    after.element.style.clipPath = `inset(0 0 0 ${percent}%)`;
    before.element.style.clipPath = `inset(0 ${100 - percent}% 0 0)`;
    this.element.style.setProperty("--adb-split", `${percent}%`);
    if (Number(this.handle.value) !== Math.round(percent)) this.handle.value = String(Math.round(percent));
  }

  #slide(event) {
    if (this.mode !== "slider" || event.buttons || event.target.closest("input, button")) return;
    const box = this.element.getBoundingClientRect();
    this.#cut(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
  }
}
