/**
 * Owns the line that says how the configured servers are: up with how many prompts, away, or wrong, and why.
 */

import { el, refill } from "./dom.mjs";
import { dot } from "./standing.mjs";

const EVERY = 10000;
const LOOKS = { up: "completed", away: "cancelled", wrong: "failed" };

export class Servers {
  constructor(client, t) {
    Object.assign(this, { client, t });
    this.asked = 0;
    this.element = el("ul", { class: "adb-servers", "aria-label": t("servers.label"), hidden: true });
  }

  /** Ask anew where what is shown is older than some seconds. */
  async look(now = Date.now()) {
    if (now - this.asked < EVERY) return;
    this.asked = now;
    const page = await this.client.servers().catch(() => null);
    if (page) this.#draw(page.items);
  }

  #draw(servers) {
    const { t } = this;
    this.element.hidden = !servers.length;
    refill(
      this.element,
      ...servers.map(({ name, status, queue, error, version }) =>
        el(
          "li",
          { dataset: { server: name, status }, title: error ?? t("servers.version", { version: version ?? "?" }) },
          dot(LOOKS[status]),
          el("span", {}, name),
          el("span", { class: "adb-server-told" }, t(`servers.${status}`, { n: queue })),
        ),
      ),
    );
  }
}
