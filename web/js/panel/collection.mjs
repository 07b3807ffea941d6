/**
 * Owns the artifacts that a list shows: pages as they are asked for, changes as they are heard. No page, no DOM.
 *
 * `all` is what the hub has told, newest first; `items` is what is shown of it: stacks, each as what it is seen as. In
 * the queue each version that waits stands for itself, since each is decided on its own, and so does each in the trash.
 */

import { outputOf, Stacks } from "./stacks.mjs";

const PAGE = 200;
const LARGEST_PAGE = 500;

/** Whether an artifact belongs into a list with these filters, as far as the artifact itself can tell; else null. */
export function belongs(artifact, filters) {
  if (Boolean(artifact.deleted_at) !== Boolean(filters.trash)) return false;
  if (filters.status && artifact.approval_status !== filters.status) return false;
  if (filters.kind && artifact.file_type !== filters.kind) return false;
  if (filters.latest && !artifact.is_latest) return false;
  if (filters.tag && !artifact.tags.includes(filters.tag)) return false;
  if (filters.workflow && artifact.workflow_id !== filters.workflow) return false;
  if (filters.queue && artifact.approval_status !== "pending") return false;
  // The chain, the step, the words of a search, and whether a newer version waits are not in the artifact.
  for (const name of ["chain", "step", "q"]) if (filters[name]) return null;
  return filters.queue && !artifact.is_latest ? null : true;
}

/** As the hub sorts: what is in the trash by when it came there. */
function order(one, other) {
  const [at, then] = [one.deleted_at ?? one.created_at, other.deleted_at ?? other.created_at];
  if (at !== then) return at < then ? 1 : -1;
  return one.id < other.id ? 1 : -1;
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
    this.all = new Map();
    this.stacks = new Stacks();
    this.cursor = null;
    this.complete = false;
    this.loading = false;
    this.error = null;
    this.asked = 0;
    this.heard = [];
    this.asking = new Map();
    this.unsure = false;
  }

  get items() {
    return this.stacks.items;
  }

  /** Show another list; what was shown stays until the first page of the new one is there. */
  async show(filters) {
    this.filters = { ...filters };
    await this.#load(0);
  }

  /** Ask anew for as much as is there. */
  reload() {
    return this.#load(this.all.size);
  }

  /** Ask for the next page, unless there is none or it is on its way. */
  async more() {
    if (this.loading || this.complete || this.error) return;
    const turn = this.asked;
    this.loading = true;
    try {
      const page = await this.#page(this.filters, { cursor: this.cursor, limit: PAGE }, turn);
      if (turn !== this.asked) return;
      for (const artifact of page.items) {
        if (this.all.has(artifact.id)) continue;
        this.all.set(artifact.id, artifact);
        this.stacks.add(artifact);
      }
      this.cursor = page.next_cursor;
      this.complete = page.next_cursor === null;
    } catch (error) {
      if (turn !== this.asked) return;
      this.error = error;
    }
    this.#settle();
    this.onchange("more");
  }

  /** Take in an artifact as it is now: redraw it, add it where it belongs, or take it out. */
  update(artifact) {
    if (this.loading) this.heard.push(artifact);
    const known = this.all.get(artifact.id);
    if (known && known.revision > artifact.revision) return;
    const fits = belongs(artifact, this.filters);
    if (fits === false) {
      if (known) this.#remove([artifact.id]);
    } else if (known) this.#put(artifact);
    else if (fits) this.#insert([artifact]);
    const beside = this.filters.queue && [...this.all.values()].some((other) => outputOf(other) === outputOf(artifact));
    if (fits === null ? !known || this.filters.queue : beside) this.#ask(artifact.workflow_id);
  }

  /** An artifact is no more, not even in the trash. */
  forget(id) {
    if (this.all.has(id)) this.#remove([id]);
  }

  get(id) {
    return this.all.get(id);
  }

  /** Where in the list an artifact is, or the stack that it lies in; -1 where it is not. */
  indexOf(id) {
    return this.stacks.places.get(id) ?? -1;
  }

  async #load(least) {
    const turn = ++this.asked;
    this.loading = true;
    this.error = null;
    this.unsure = false;
    this.heard = [];
    this.onchange("all");
    const found = [];
    let cursor = null;
    try {
      do {
        const limit = Math.min(LARGEST_PAGE, Math.max(PAGE, least - found.length));
        const page = await this.#page(this.filters, { cursor, limit }, turn);
        if (turn !== this.asked) return;
        found.push(...page.items);
        cursor = page.next_cursor;
      } while (cursor !== null && found.length < least);
      this.all = new Map(found.map((artifact) => [artifact.id, artifact]));
      this.#arrange();
      this.cursor = cursor;
      this.complete = cursor === null;
    } catch (error) {
      if (turn !== this.asked) return;
      this.error = error;
    }
    this.#settle();
    this.onchange("all");
  }

  /** The next page that has something on it: one of a search may be empty and not be the last. */
  async #page(filters, { cursor, limit }, turn) {
    let page;
    do {
      page = await this.client.artifacts(filters, { cursor: page?.next_cursor ?? cursor, limit });
    } while (!page.items.length && page.next_cursor !== null && turn === this.asked);
    return page;
  }

  /** A page is there; what was heard while it was on its way may be newer than what it says. */
  #settle() {
    this.loading = false;
    for (const artifact of this.heard.splice(0)) this.update(artifact);
  }

  #put(artifact) {
    this.all.set(artifact.id, artifact);
    const another = this.stacks.replace(artifact);
    if (another) this.onchange("all");
    else if (this.indexOf(artifact.id) >= 0) this.onchange("one", this.stacks.face(artifact.id).id);
  }

  #insert(artifacts) {
    const oldest = [...this.all.values()].at(-1);
    // What the hub has ranked stays in its order, with what comes in meanwhile before it; else what is older than all
    // that is there comes with a later page.
    const fits = (one) => this.filters.q || this.complete || !oldest || order(one, oldest) < 0;
    const fresh = artifacts.filter(fits).map((one) => [one.id, one]);
    const all = [...fresh, ...this.all];
    this.all = new Map(this.filters.q ? all : all.sort(([, one], [, other]) => order(one, other)));
    this.#arrange();
    this.onchange("all");
  }

  #remove(ids) {
    for (const id of ids) this.all.delete(id);
    this.#arrange();
    this.onchange("all");
  }

  #arrange() {
    this.stacks = new Stacks(Boolean(this.filters.queue || this.filters.trash));
    for (const artifact of this.all.values()) this.stacks.add(artifact);
  }

  /** The hub says which artifacts of one workflow belong here; asked again when something changes meanwhile. */
  async #ask(workflow) {
    if (this.asking.has(workflow)) {
      this.asking.set(workflow, true);
      return;
    }
    const turn = this.asked;
    try {
      do {
        this.asking.set(workflow, false);
        const page = await this.#page({ ...this.filters, workflow }, { cursor: null, limit: LARGEST_PAGE }, turn);
        if (turn !== this.asked) return;
        if (!this.asking.get(workflow)) this.#reconcile(workflow, page);
      } while (this.asking.get(workflow));
    } catch {
      this.unsure = true;
    } finally {
      this.asking.delete(workflow);
    }
  }

  #reconcile(workflow, page) {
    const found = new Map(page.items.map((artifact) => [artifact.id, artifact]));
    const ours = [...this.all.values()].filter((artifact) => artifact.workflow_id === workflow);
    const gone = page.next_cursor === null ? ours.filter((one) => !found.has(one.id)).map((one) => one.id) : [];
    const fresh = page.items.filter((one) => !this.all.has(one.id));
    for (const one of page.items) {
      const known = this.all.get(one.id);
      if (known && one.revision > known.revision) this.#put(one);
    }
    if (gone.length) this.#remove(gone);
    if (fresh.length) this.#insert(fresh);
  }
}
