/**
 * Owns the switch of recording everything, as ComfyUI's settings show it. The hub says how it stands and who may throw
 * it; what a browser or ComfyUI has stored decides nothing.
 */

export class Recording {
  /**
   * @param {{client: any, live: any, read: () => boolean, write: (on: boolean) => any, refused: (why: Error) => void}}
   *   tools `read` and `write` are the setting in the dialog
   */
  constructor({ client, live, read, write, refused }) {
    Object.assign(this, { client, live, read, write, refused });
    this.stands = null; // not known yet
  }

  start() {
    this.live.listen((event) => event.entity_type === "recording" && this.#ask());
    this.live.watchConnection((connected) => connected && this.#ask());
    return this.#ask();
  }

  /** The setting has another value: somebody threw it, or it was set to how the switch stands. */
  async changed(on) {
    if (this.stands === null || on === this.stands) return;
    try {
      this.stands = (await this.client.switchRecording(on ? "all" : "nodes")).record === "all";
    } catch (problem) {
      this.refused(problem);
    }
    await this.#show();
  }

  async #ask() {
    try {
      this.stands = (await this.client.recording()).record === "all";
    } catch {
      return; // the stream's connection tells when to ask again
    }
    await this.#show();
  }

  async #show() {
    if (this.read() !== this.stands) await this.write(this.stands);
  }
}
