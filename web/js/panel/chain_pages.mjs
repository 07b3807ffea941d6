/**
 * Owns the chains that the list shows: pages as they are asked for, newest first, and what changed of them. No DOM.
 */

const PAGE = 50;
const LARGEST_PAGE = 500;

function order(one, other) {
  const [at, then] = [one.deleted_at ?? one.started_at, other.deleted_at ?? other.started_at];
  if (at !== then) return at < then ? 1 : -1;
  return one.id < other.id ? 1 : -1;
}

export class ChainPages {
  /** @param {any} client  @param {{onchange?: () => void}} [tools] */
  constructor(client, { onchange = () => {} } = {}) {
    Object.assign(this, { client, onchange });
    this.filters = {};
    this.items = [];
    this.cursor = null;
    this.complete = false;
    this.loading = false;
    this.error = null;
    this.asked = 0;
    this.renewed = 0;
    this.taken = new Map();
    this.loaded = null;
  }

  show(filters) {
    this.filters = { ...filters };
    this.items = [];
    return (this.loaded = this.#load(0));
  }

  /** Ask anew for as much as is there. */
  reload() {
    return (this.loaded = this.#load(this.items.length));
  }

  async more() {
    if (this.loading || this.complete || this.error) return;
    await (this.loaded = this.#more());
  }

  async #more() {
    const turn = this.asked;
    this.loading = true;
    try {
      const page = await this.client.chains(this.filters, { cursor: this.cursor, limit: PAGE });
      if (turn !== this.asked) return;
      this.#take(page, [...this.items, ...page.items.filter((one) => !this.get(one.id))]);
    } catch (error) {
      if (turn !== this.asked) return;
      this.error = error;
    }
    this.loading = false;
    this.onchange();
  }

  get(id) {
    return this.items.find((one) => one.id === id);
  }

  /** Whether a chain may have to be shown: it is, or it is newer than all that is older than a page that is not there. */
  async renew(ids) {
    // A page on its way may be older than what is asked for here.
    await this.loaded;
    const turn = this.asked;
    const asking = ++this.renewed;
    const page = await this.client.chains({ ...this.filters, ids: ids.join(",") }, { limit: LARGEST_PAGE });
    if (turn !== this.asked) return;
    // Answers may come in another order than they were asked for: the last asked for is the newest.
    const newest = new Set(ids.filter((id) => asking > (this.taken.get(id) ?? 0)));
    for (const id of newest) this.taken.set(id, asking);
    const items = page.items.filter(({ id }) => newest.has(id));
    const found = new Map(items.map((one) => [one.id, one]));
    const oldest = this.items.at(-1);
    const kept = this.items.filter(({ id }) => !newest.has(id) || found.has(id)).map((one) => found.get(one.id) ?? one);
    const fresh = items.filter((one) => !this.get(one.id) && (this.complete || !oldest || order(one, oldest) < 0));
    this.items = [...kept, ...fresh].sort(order);
    this.onchange();
  }

  async #load(least) {
    const turn = ++this.asked;
    this.loading = true;
    this.error = null;
    this.onchange();
    try {
      const found = [];
      let page;
      do {
        const limit = Math.min(LARGEST_PAGE, Math.max(PAGE, least - found.length));
        page = await this.client.chains(this.filters, { cursor: page?.next_cursor, limit });
        if (turn !== this.asked) return;
        found.push(...page.items);
      } while (page.next_cursor !== null && found.length < least);
      this.#take(page, found);
    } catch (error) {
      if (turn !== this.asked) return;
      this.error = error;
    }
    this.loading = false;
    this.onchange();
  }

  #take({ next_cursor: cursor }, items) {
    this.items = items;
    this.cursor = cursor;
    this.complete = cursor === null;
  }
}
