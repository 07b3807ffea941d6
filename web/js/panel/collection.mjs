/**
 * Owns the artifacts that a list shows: pages as they are asked for, changes as they are heard. No page, no DOM.
 */

/** Whether an artifact belongs into a list with these filters, as far as the artifact itself can tell; else null. */
export function belongs(artifact, filters) {
  if (artifact.deleted_at) return false;
  if (filters.status && artifact.approval_status !== filters.status) return false;
  if (filters.kind && artifact.file_type !== filters.kind) return false;
  if (filters.latest && !artifact.is_latest) return false;
  if (filters.tag && !artifact.tags.includes(filters.tag)) return false;
  if (filters.workflow && artifact.workflow_id !== filters.workflow) return false;
  if (filters.queue && artifact.approval_status !== "pending") return false;
  // The chain, the step and the words of a search are not in the artifact: only the hub can tell.
  for (const name of ["chain", "step", "q"]) if (filters[name]) return null;
  return true;
}

export class Collection {
  /**
   * @param {import("./client.mjs").Client} client
   * @param {{onchange?: (kind: "all"|"more"|"one", id?: string) => void}} [tools]
   */
  constructor(client, { onchange = () => {} } = {}) {
    this.client = client;
    this.onchange = onchange;
    this.filters = {};
    this.items = [];
    this.places = new Map();
    this.cursor = null;
    this.complete = false;
    this.loading = false;
    this.error = null;
    this.asked = 0;
  }

  /** Show another list; what was shown stays until the first page of the new one is there. */
  async show(filters) {
    this.filters = { ...filters };
    await this.reload();
  }

  /** Ask for the first page anew. */
  async reload() {
    const turn = ++this.asked;
    this.loading = true;
    this.error = null;
    this.onchange("all");
    try {
      const page = await this.client.artifacts(this.filters);
      if (turn !== this.asked) return;
      this.#replace(page.items);
      this.cursor = page.next_cursor;
      this.complete = page.next_cursor === null;
    } catch (error) {
      if (turn !== this.asked) return;
      this.error = error;
    }
    this.loading = false;
    this.onchange("all");
  }

  /** Ask for the next page, unless there is none or it is on its way. */
  async more() {
    if (this.loading || this.complete || this.error) return;
    const turn = this.asked;
    this.loading = true;
    try {
      const page = await this.client.artifacts(this.filters, { cursor: this.cursor });
      if (turn !== this.asked) return;
      for (const artifact of page.items) {
        if (!this.places.has(artifact.id)) {
          this.places.set(artifact.id, this.items.length);
          this.items.push(artifact);
        }
      }
      this.cursor = page.next_cursor;
      this.complete = page.next_cursor === null;
    } catch (error) {
      if (turn === this.asked) this.error = error;
    }
    if (turn === this.asked) this.loading = false;
    this.onchange("more");
  }

  /** Take in an artifact as it is now: redraw it, add it in front, or take it out. */
  update(artifact) {
    const place = this.places.get(artifact.id);
    const fits = belongs(artifact, this.filters);
    if (place !== undefined) {
      if (fits === false) return this.#remove(place);
      this.items[place] = artifact;
      return this.onchange("one", artifact.id);
    }
    if (fits === null) return this.#perhaps(artifact);
    if (!fits) return undefined;
    return this.#insert(artifact);
  }

  get(id) {
    const place = this.places.get(id);
    return place === undefined ? undefined : this.items[place];
  }

  indexOf(id) {
    return this.places.get(id) ?? -1;
  }

  #insert(artifact) {
    // Lists are newest first; one that came back from the trash finds its old place.
    const later = (other) => other.created_at < artifact.created_at;
    const place = this.items.findIndex(later);
    if (place === -1 && !this.complete) return;
    this.items.splice(place === -1 ? this.items.length : place, 0, artifact);
    this.#count();
    this.onchange("all");
  }

  #remove(place) {
    this.items.splice(place, 1);
    this.#count();
    this.onchange("all");
  }

  async #perhaps(artifact) {
    // The hub decides on a page that begins where this one would be.
    const turn = this.asked;
    const page = await this.client.artifacts(this.filters, { limit: 50 });
    if (turn !== this.asked) return;
    const found = page.items.find((item) => item.id === artifact.id);
    if (found) this.#insert(found);
  }

  #replace(items) {
    this.items = items;
    this.#count();
  }

  #count() {
    this.places = new Map(this.items.map((artifact, index) => [artifact.id, index]));
  }
}
