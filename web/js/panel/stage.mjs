/**
 * Owns what is looked at: one artifact large, or two compared side by side or under a slider.
 */

import { el, fill } from "./dom.mjs";
import { Layer } from "./layer.mjs";
import { Player } from "./player.mjs";
import { outputOf, placeInBatch } from "./stacks.mjs";
import { Zoom } from "./zoom.mjs";

export class Stage {
  /** @param {{client: any, t: any, save: (artifact: any) => void}} tools `save`: download one */
  constructor({ client, t, save }) {
    this.t = t;
    this.tools = { client, t, save, sized: () => this.#sized(), ready: () => this.player.show(this.layers) };
    this.mode = "one";
    this.split = 0.5;
    this.player = new Player({ t });
    this.element = el("div", { class: "adb-stage" });
    this.element.addEventListener("pointermove", (event) => this.#slide(event));
    this.element.addEventListener("pointerdown", ({ clientX: x, clientY: y }) => (this.pressed = { x, y }));
    this.element.addEventListener("click", (event) => this.#click(event));
    this.zoom = new Zoom(this.element, () => this.#natural(), (view) => this.#show(view));
    this.layers = [];
    this.handle = el("input", {
      ...{ type: "range", class: "adb-split", min: "0", max: "100", step: "1" },
      "aria-label": t("compare.slider"),
      oninput: () => this.#cut(Number(this.handle.value) / 100),
    });
  }

  destroy() {
    this.clear();
    this.zoom.destroy();
  }

  /** Nothing is shown, and nothing plays on. */
  clear() {
    this.player.show([]);
    for (const layer of this.layers) layer.end();
    this.layers = [];
    fill(this.element);
  }

  /** Let what did not come be asked for anew when it is shown next. */
  retry() {
    if (this.layers.some((layer) => layer.isBehind)) this.clear();
  }

  /**
   * @param {any} artifact the one that is decided on
   * @param {any} [other] what it is compared with, in `mode` "side" or "slider"
   */
  show(artifact, other, mode = "one") {
    const wanted = other ? mode : "one";
    const keys = [artifact, other].filter(Boolean).map((one) => `${one.id} ${Boolean(one.deleted_at)}`);
    if (this.mode === wanted && keys.join() === this.layers.map((layer) => layer.key).join()) return;
    // Another way of looking at the same: where one was looking stays, in the picture and in time.
    const sameOne = this.layers[0]?.key === keys[0];
    const same = sameOne && this.zoom.panes === (wanted === "side" ? 2 : 1);
    const left = sameOne ? this.player.left : {};
    this.clear();
    this.mode = wanted;
    const tell = other && outputOf(other) !== outputOf(artifact) ? this.#nth : this.#version;
    this.layers = other
      ? [new Layer(artifact, "after", this.tools, tell(artifact)), new Layer(other, "before", this.tools, tell(other))]
      : [new Layer(artifact, "one", this.tools, null)];
    this.element.dataset.mode = this.mode;
    this.zoom.panes = this.mode === "side" ? 2 : 1;
    // What is before comes first, on the left and for a screen reader.
    fill(this.element, ...this.layers.map((layer) => layer.element).reverse());
    if (this.mode === "slider") this.element.append(this.handle);
    this.player.show(this.layers, left);
    if (same && !this.zoom.isFitted) this.#show(this.zoom.view);
    else this.zoom.fit();
    this.#cut(this.split);
  }

  #version = (artifact) => this.t("cell.version", { n: artifact.version });

  #nth = (artifact) => this.t("batch.nth", { n: placeInBatch(artifact) });

  #natural() {
    return this.layers[0]?.size ?? { width: 0, height: 0 };
  }

  #sized() {
    if (this.zoom.isFitted) this.zoom.fit();
  }

  #show({ scale, x, y }) {
    if (!this.layers.length) return;
    const { width, height } = this.#natural();
    this.element.style.setProperty("--adb-scale", String(scale));
    for (const { picture } of this.layers) {
      if (!picture.matches(".adb-picture")) continue;
      Object.assign(picture.style, {
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

  /** A click that is no drag starts and stops what plays. */
  #click({ clientX, clientY, target, detail }) {
    if (detail !== 1 || !this.pressed || target.closest("button, input, .adb-text")) return;
    if (Math.hypot(clientX - this.pressed.x, clientY - this.pressed.y) < 4) this.player.toggle();
  }
}
