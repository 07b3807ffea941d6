/**
 * Owns scrubbing: the frames of what moves, under the mouse that goes over its cell.
 *
 * It adds nothing that keys or a finger would miss: opened, a film plays.
 */

import { el } from "./dom.mjs";

/** Frames in a strip, as the hub makes them. */
const FRAMES = 12;
/** Milliseconds that a mouse must stay: one that only passes by asks for nothing. */
const STAYS = 120;

/** Which frame a mouse is over, by its place along a width. */
export function frameAt(x, width) {
  return Math.max(0, Math.min(FRAMES - 1, Math.floor((x / width) * FRAMES)));
}

export class Scrub {
  /**
   * @param {HTMLElement} frame what the mouse goes over
   * @param {() => string|null} strip the URL of the strip; null for what stands still
   */
  constructor(frame, strip) {
    Object.assign(this, { frame, strip });
    frame.addEventListener("pointerenter", (event) => this.#enter(event));
    frame.addEventListener("pointermove", (event) => this.#move(event));
    frame.addEventListener("pointerleave", () => this.#leave());
  }

  #enter(event) {
    const url = event.pointerType === "mouse" ? this.strip() : null;
    if (!url) return;
    this.at = event.offsetX;
    this.waiting = setTimeout(() => this.#begin(url), STAYS);
  }

  #move(event) {
    this.at = event.clientX - this.frame.getBoundingClientRect().left;
    if (this.sheet) this.#show();
  }

  #leave() {
    clearTimeout(this.waiting);
    this.waiting = null;
    this.sheet?.remove();
    this.sheet = null;
  }

  async #begin(url) {
    const { waiting } = this;
    const strip = new Image();
    strip.src = url;
    await strip.decode().catch(() => {});
    // What cannot be had has a placeholder, whose width is that of no strip.
    if (this.waiting !== waiting || !strip.naturalWidth || strip.naturalWidth % FRAMES !== 0) return;
    const { clientWidth, clientHeight } = this.frame;
    const [width, height] = [strip.naturalWidth / FRAMES, strip.naturalHeight];
    const scale = Math.min(clientWidth / width, clientHeight / height);
    this.size = { width: width * scale, height: height * scale };
    this.picture = el("div", { class: "adb-scrub-frame" });
    Object.assign(this.picture.style, {
      width: `${this.size.width}px`,
      height: `${this.size.height}px`,
      backgroundImage: `url("${strip.src}")`,
      backgroundSize: `${this.size.width * FRAMES}px ${this.size.height}px`,
    });
    this.line = el("div", { class: "adb-scrub-line" });
    this.sheet = el("div", { class: "adb-scrub", "aria-hidden": "true" }, this.picture, this.line);
    this.frame.append(this.sheet);
    this.#show();
  }

  #show() {
    const number = frameAt(this.at, this.frame.clientWidth);
    this.sheet.dataset.frame = String(number);
    this.picture.style.backgroundPositionX = `${-number * this.size.width}px`;
    this.line.style.transform = `scaleX(${(number + 1) / FRAMES})`;
  }
}
