/**
 * Owns the count of what waits, as it is shown while the panel itself is not.
 */

/** How often a page that nobody sees asks: it hears of nothing, and its count is seen all the same. */
const RARELY = 30000;

export class Badge {
  /**
   * @param {{client: any, live: any, tab: () => any}} tools `tab` gives the sidebar's tab, whose `iconBadge` is set
   */
  constructor({ client, live, tab }) {
    Object.assign(this, { client, live, tab });
    this.waiting = null;
    this.onmore = () => {};
  }

  start() {
    this.live.listen((event) => {
      if (event.entity_type === "artifact") this.timer ??= setTimeout(() => this.#count(), 200);
    });
    this.live.watchConnection((connected) => connected && this.#count());
    setInterval(() => document.hidden && this.#count(), RARELY);
    this.#count();
  }

  async #count() {
    this.timer = undefined;
    let now, more;
    try {
      ({ waiting: now, more } = await this.client.waiting());
    } catch {
      return; // the stream's connection tells when to ask again
    }
    const before = this.waiting;
    this.waiting = now;
    const tab = this.tab();
    if (tab) tab.iconBadge = now ? `${now}${more ? "+" : ""}` : null;
    if (before !== null && now > before) this.onmore(now - before);
  }
}
