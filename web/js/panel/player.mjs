/**
 * Owns playing: one film or sound, or two that are compared, which start, stop and jump together.
 */

import { button, el, refill } from "./dom.mjs";
import { lasting } from "./words.mjs";

/** Seconds that two films may be apart before the second one jumps to where the first is. */
const APART = 0.15;
const FPS = 24;

export class Player {
  /** @param {{t: any}} tools */
  constructor({ t }) {
    this.t = t;
    this.layers = [];
    this.where = el("input", {
      ...{ type: "range", class: "adb-where", min: "0", max: "1", step: "0.001", value: "0" },
      "aria-label": t("player.where"),
      oninput: () => this.seek(Number(this.where.value) * this.length),
    });
    this.time = el("span", { class: "adb-time" });
    this.buttons = el("div", { class: "adb-row" });
    this.switches = el("div", { class: "adb-row" });
    this.element = el(
      "div",
      { class: "adb-player", role: "group", hidden: true, "aria-label": t("player.label") },
      ...[this.buttons, this.where, this.time, this.switches],
    );
  }

  /**
   * What plays: the first leads, and is heard; a second one follows it.
   * @param {import("./layer.mjs").Layer[]} layers
   * @param {{at?: number, stopped?: boolean, playing?: boolean}} [before] how the first was left, if it was shown already
   */
  show(layers, before = {}) {
    this.end();
    this.layers = layers.filter(({ media }) => media);
    this.element.hidden = this.layers.length === 0;
    if (!this.layers.length) return;
    this.listening = new AbortController();
    const { signal } = this.listening;
    const [leader, ...followers] = this.layers.map(({ media }) => media);
    this.stopped = Boolean(before.stopped);
    if (before.at) leader.currentTime = before.at;
    if (before.stopped) leader.autoplay = false;
    if (before.playing) leader.play().catch(() => {});
    for (const follower of followers) Object.assign(follower, { muted: true, autoplay: false, loop: false });
    for (const name of ["play", "pause", "volumechange", "durationchange", "loadedmetadata"]) {
      leader.addEventListener(name, () => this.#draw(), { signal });
    }
    for (const name of ["play", "pause", "seeking", "seeked", "timeupdate"]) {
      leader.addEventListener(name, () => this.#follow(), { signal });
    }
    for (const follower of followers) follower.addEventListener("loadedmetadata", () => this.#follow(), { signal });
    this.#draw();
    this.#follow();
    this.#tick();
  }

  end() {
    this.listening?.abort();
    cancelAnimationFrame(this.frame);
    this.layers = [];
  }

  /** How it is left, for `show`. */
  get left() {
    const { leader, stopped } = this;
    return leader ? { at: leader.currentTime, stopped, playing: !leader.paused } : {};
  }

  get leader() {
    return this.layers[0]?.media;
  }

  /** Seconds; 0 until it is known. */
  get length() {
    const { duration } = this.leader ?? {};
    return Number.isFinite(duration) ? duration : 0;
  }

  get isFilm() {
    return Boolean(this.leader?.matches("video"));
  }

  toggle() {
    const { leader } = this;
    if (!leader) return;
    this.stopped = !leader.paused;
    // Where it cannot be played its layer says so.
    if (leader.paused) leader.play().catch(() => {});
    else leader.pause();
  }

  /** Stop, and go to the next frame or the one before. */
  step(by) {
    const { leader } = this;
    if (!leader || !this.isFilm) return;
    leader.pause();
    this.stopped = true;
    const fps = this.layers[0].artifact.metadata.fps || FPS;
    // Into the middle of the frame: at its edge it is left to rounding which of two is seen.
    const frame = Math.floor(leader.currentTime * fps + 1e-6) + by;
    this.seek((Math.max(0, frame) + 0.5) / fps);
  }

  seek(seconds) {
    if (this.leader) this.leader.currentTime = Math.max(0, Math.min(this.length, seconds));
  }

  #mute() {
    this.leader.muted = !this.leader.muted;
  }

  #loop() {
    this.leader.loop = !this.leader.loop;
    this.#draw();
  }

  /** The others go where the first is, and stop where it stops; a shorter one waits at its end. */
  #follow() {
    const { leader } = this;
    for (const { media } of this.layers.slice(1)) {
      const at = Math.min(leader.currentTime, media.duration || 0);
      if (Math.abs(media.currentTime - at) > (leader.paused ? 0.001 : APART)) media.currentTime = at;
      const rests = leader.paused || (media.duration && leader.currentTime >= media.duration);
      if (rests && !media.paused) media.pause();
      else if (!rests && media.paused) media.play().catch(() => {});
    }
  }

  #tick() {
    this.frame = requestAnimationFrame(() => this.#tick());
    const { leader, length } = this;
    const share = length ? leader.currentTime / length : 0;
    if (document.activeElement !== this.where || !leader.paused) this.where.value = String(share);
    const text = this.t("player.time", { now: lasting(leader.currentTime), all: lasting(length) });
    if (this.time.textContent !== text) {
      this.time.textContent = text;
      this.where.setAttribute("aria-valuetext", text);
    }
    for (const { head, media } of this.layers) {
      if (head) head.style.left = `${media.duration ? (media.currentTime / media.duration) * 100 : 0}%`;
    }
  }

  #draw() {
    const { t, leader } = this;
    if (!leader) return;
    const playing = !leader.paused;
    const film = this.isFilm;
    const make = (icon, key, onclick, more) => button(icon, { label: t(`player.${key}`), onclick, does: key, ...more });
    refill(
      this.buttons,
      film ? make("back", "back", () => this.step(-1), { keys: "," }) : null,
      make(playing ? "pause" : "play", playing ? "pause" : "play", () => this.toggle(), { keys: "Space", does: "toggle" }),
      film ? make("on", "on", () => this.step(1), { keys: "." }) : null,
    );
    refill(
      this.switches,
      make(leader.muted ? "mute" : "loud", "mute", () => this.#mute(), { pressed: leader.muted }),
      make("loop", "loop", () => this.#loop(), { pressed: leader.loop }),
    );
  }
}
