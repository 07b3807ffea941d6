/**
 * Owns the picture itself: one artifact large, or two compared side by side or under a slider.
 */

import { el, fill } from "./dom.mjs";
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
  }

  destroy() {
    this.zoom.destroy();
  }

  /**
   * @param {any} artifact the one that is decided on
   * @param {any} [other] what it is compared with, in `mode` "side" or "slider"
   */
  show(artifact, other, mode = "one") {
    const same = this.layers[0]?.id === artifact.id && this.layers[1]?.id === other?.id && this.mode === mode;
    if (same) return;
    this.mode = other ? mode : "one";
    this.layers = other ? [this.#layer(artifact, "after"), this.#layer(other, "before")] : [this.#layer(artifact, "one")];
    this.element.dataset.mode = this.mode;
    fill(this.element, ...this.layers.map((layer) => layer.element));
    if (this.mode === "slider") this.element.append(this.#handle());
    this.zoom.fit();
  }

  #layer(artifact, role) {
    const { t } = this;
    const layer = { id: artifact.id, artifact };
    const version = t("cell.version", { n: artifact.version });
    layer.picture = el("img", { class: "adb-picture", alt: artifact.filename, draggable: false, decoding: "async" });
    layer.label = role === "one" ? null : el("span", { class: "adb-layer-label" }, version);
    layer.note = el("p", { class: "adb-note", hidden: true });
    layer.element = el("div", { class: `adb-layer adb-${role}` }, layer.picture, layer.label, layer.note);
    layer.picture.addEventListener("load", () => this.zoom.isFitted && this.zoom.fit());
    layer.picture.addEventListener("error", () => this.#cannot(layer));
    if (artifact.file_type === "image") layer.picture.src = this.client.link(artifact.url);
    else this.#cannot(layer);
    return layer;
  }

  #cannot(layer) {
    // What a browser cannot show has a placeholder that says why; the file can still be downloaded.
    if (layer.fallen) {
      layer.note.hidden = false;
      layer.note.textContent = this.t("stage.failed");
      return;
    }
    layer.fallen = true;
    layer.picture.src = this.client.link(layer.artifact.thumbnail_url);
  }

  #natural() {
    const { picture, artifact } = this.layers[0] ?? {};
    if (!picture) return { width: 0, height: 0 };
    const width = picture.naturalWidth || artifact.metadata.width || 0;
    const height = picture.naturalHeight || artifact.metadata.height || 0;
    return this.mode === "side" ? { width: width * 2, height } : { width, height };
  }

  #show({ scale, x, y }) {
    const first = this.layers[0];
    if (!first) return;
    const { width, height } = this.#natural();
    const wide = this.mode === "side" ? width / 2 : width;
    for (const [index, layer] of this.layers.entries()) {
      const shift = this.mode === "side" && index === 0 ? wide * scale : 0;
      Object.assign(layer.picture.style, {
        width: `${wide}px`,
        height: `${height}px`,
        transform: `translate(${x + shift}px, ${y}px) scale(${scale})`,
        imageRendering: scale >= 3 ? "pixelated" : "auto",
      });
    }
    this.#cut();
  }

  #cut() {
    const [after] = this.layers;
    if (this.mode !== "slider") return;
    after.element.style.clipPath = `inset(0 0 0 ${this.split * 100}%)`;
    this.element.style.setProperty("--adb-split", `${this.split * 100}%`);
  }

  #handle() {
    const range = el("input", {
      type: "range",
      class: "adb-split",
      min: "0",
      max: "100",
      value: String(this.split * 100),
      "aria-label": this.t("compare.slider"),
      oninput: (event) => {
        this.split = Number(event.target.value) / 100;
        this.#cut();
      },
    });
    return range;
  }

  #slide(event) {
    if (this.mode !== "slider" || event.buttons || event.target.closest("input, button")) return;
    const box = this.element.getBoundingClientRect();
    this.split = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    this.#cut();
  }
}
