/**
 * Owns the word that a disk of the hub is nearly full: a line that stays until there is room again.
 */

import { el, icon } from "./dom.mjs";

const EVERY = 5 * 60 * 1000;

export class Room {
  /** @param {{client: import("./client.mjs").Client, t: any, live: import("./live.mjs").Live}} host */
  constructor({ client, t, live }) {
    this.client = client;
    this.element = el("div", { class: "adb-room", hidden: true, role: "status" }, icon("warning"), t("disk.nearly_full"));
    this.timer = setInterval(() => this.look(), EVERY);
    this.end = live.watchConnection((connected) => connected && this.look());
    this.look();
  }

  destroy() {
    clearInterval(this.timer);
    this.end();
  }

  /** Ask the hub. One that does not answer says nothing of its disks. */
  async look() {
    try {
      const { nearly_full } = await this.client.health();
      this.element.hidden = nearly_full.length === 0;
    } catch {
      // The list says what is the matter.
    }
  }
}
