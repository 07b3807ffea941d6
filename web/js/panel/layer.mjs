/**
 * Owns one artifact on the stage, by its kind: a picture, a film, a sound's waveform, a text; or a placeholder.
 */

import { button, el, fill } from "./dom.mjs";

/** Bytes of a text that are read; nobody reads on for longer in here. */
const MOST = 256 * 1024;
/** A waveform's own size in pixels, as the hub draws it. */
const WAVE = { width: 1024, height: 512 };

export class Layer {
  /**
   * @param {any} artifact
   * @param {string} role "one", "before" or "after"
   * @param {{client: any, t: any, save: (artifact: any) => void, sized: () => void, ready: () => void}} tools
   *        `sized` hears that the picture's size is known, `ready` that what plays has come or has gone
   * @param {string|null} label which of two it is
   */
  constructor(artifact, role, tools, label) {
    Object.assign(this, { artifact, tools });
    this.key = `${artifact.id} ${Boolean(artifact.deleted_at)}`;
    this.note = el("div", { class: "adb-note", hidden: true });
    this.element = el("div", { class: `adb-layer adb-${role}` });
    this.media = null;
    this.isBehind = false; // whether the hub could not answer
    const make = { image: this.#image, video: this.#video, audio: this.#audio, text: this.#text }[artifact.file_type];
    this.picture = make ? make.call(this) : this.#placeholder();
    fill(this.element, this.picture, label ? el("span", { class: "adb-layer-label" }, label) : null, this.note);
  }

  /** Its own size in pixels; nothing where it has none, as a text. */
  get size() {
    const { picture, artifact } = this;
    if (picture.matches(".adb-text")) return { width: 0, height: 0 };
    if (picture.matches(".adb-wave")) return WAVE;
    return {
      width: picture.naturalWidth || picture.videoWidth || artifact.metadata.width || 0,
      height: picture.naturalHeight || picture.videoHeight || artifact.metadata.height || 0,
    };
  }

  /** Stop loading and playing. */
  end() {
    this.media?.pause();
    this.media?.removeAttribute("src");
    this.media?.load();
    this.media = null;
  }

  get #url() {
    return this.tools.client.link(this.artifact.url);
  }

  #image() {
    const picture = this.#img();
    picture.src = this.#url;
    picture.addEventListener("error", () => this.#cannot(), { once: true });
    return picture;
  }

  #video() {
    const video = el("video", {
      ...{ class: "adb-picture", muted: true, loop: true, playsInline: true, preload: "auto" },
      "aria-label": this.artifact.filename,
      src: this.#url,
    });
    video.autoplay = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    video.addEventListener("loadedmetadata", () => this.tools.sized());
    video.addEventListener("error", () => this.#cannot(), { once: true });
    this.media = video;
    return video;
  }

  #audio() {
    const wave = el("img", { alt: "", draggable: false, src: this.tools.client.thumbnail(this.artifact, "large") });
    this.head = el("div", { class: "adb-wave-head" });
    this.media = el("audio", { preload: "metadata", src: this.#url, "aria-label": this.artifact.filename });
    this.media.addEventListener("error", () => this.#cannot(), { once: true });
    return el("div", { class: "adb-picture adb-wave" }, wave, this.head, this.media);
  }

  #text() {
    const { t, client } = this.tools;
    const { artifact } = this;
    const plain = artifact.file_format === "txt";
    const text = el("pre", {
      class: plain ? "adb-text" : "adb-text adb-code",
      tabIndex: 0,
      role: "region",
      dir: "auto",
      "aria-label": t("text.label"),
    });
    if (artifact.file_size === 0) return text;
    client.text(artifact.url, MOST).then(
      (words) => {
        text.textContent = words;
        if (artifact.file_size > MOST) this.#say(t("text.cut"));
      },
      () => this.#cannot(),
    );
    return text;
  }

  #placeholder() {
    this.#cannot();
    return this.picture;
  }

  #img() {
    const picture = el("img", {
      class: "adb-picture",
      alt: this.artifact.filename,
      draggable: false,
      decoding: "async",
    });
    picture.addEventListener("load", () => this.tools.sized());
    return picture;
  }

  /** What cannot be shown has a placeholder, and says why; where the bytes are right, the file can be downloaded. */
  async #cannot() {
    const { client, t } = this.tools;
    this.end();
    const before = this.picture;
    this.picture = this.#img();
    this.picture.src = client.thumbnail(this.artifact, "large");
    if (before) {
      before.replaceWith(this.picture);
      this.tools.sized();
      this.tools.ready();
    }
    const { status } = await client.head(this.artifact.url).catch(() => ({ status: 0 }));
    this.isBehind = status === 0 || status >= 500;
    const why = { 0: "failed.no_answer", 409: "state.changed", 410: "state.gone" }[status];
    this.#say(t(why ?? "stage.failed"), !why);
  }

  #say(text, downloadable = true) {
    const { t, save } = this.tools;
    const label = t("action.download");
    const get = button("download", { label, text: label, onclick: () => save(this.artifact) });
    fill(this.note, el("p", {}, text), downloadable ? get : null);
    this.note.hidden = false;
  }
}
