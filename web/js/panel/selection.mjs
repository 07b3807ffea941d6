/**
 * Owns which cells of a list are selected. No DOM.
 *
 * A stack is selected by what it is seen as, and stands for all outputs that lie in it, as they are now.
 */

export class Selection {
  /** @param {import("./collection.mjs").Collection} collection  @param {() => void} [onchange] */
  constructor(collection, onchange = () => {}) {
    Object.assign(this, { collection, onchange });
    this.ids = new Set();
    this.anchor = null;
    this.places = new Set();
  }

  /** The artifacts that are selected, in the order of the list. */
  get artifacts() {
    const { members } = this.collection.stacks;
    return [...this.places].sort((one, other) => one - other).flatMap((place) => members[place] ?? []);
  }

  has(index) {
    return this.places.has(index);
  }

  /** Select a cell, or no longer; a range begins here. */
  toggle(index) {
    const { items } = this.collection;
    if (!items[index]) return;
    if (this.has(index)) this.ids = new Set([...this.ids].filter((id) => this.collection.indexOf(id) !== index));
    else this.ids.add(items[index].id);
    this.anchor = items[index].id;
    this.#changed();
  }

  /** Select all from where a range began, or from `start`, to a cell as well. */
  extend(index, start) {
    const { items } = this.collection;
    const begun = this.anchor === null ? -1 : this.collection.indexOf(this.anchor);
    const from = begun >= 0 ? begun : start;
    if (begun < 0) this.anchor = items[from]?.id ?? null;
    for (const one of items.slice(Math.min(from, index), Math.max(from, index) + 1)) this.ids.add(one.id);
    this.#changed();
  }

  /** Select all that is loaded. */
  all() {
    this.ids = new Set(this.collection.items.map(({ id }) => id));
    this.#changed();
  }

  clear() {
    this.anchor = null;
    if (!this.ids.size) return;
    this.ids.clear();
    this.#changed();
  }

  /** The list has changed: what is no longer in it is not selected either. */
  settle() {
    if (!this.ids.size) return;
    for (const id of this.ids) if (this.collection.indexOf(id) < 0) this.ids.delete(id);
    this.#changed();
  }

  #changed() {
    this.places = new Set([...this.ids].map((id) => this.collection.indexOf(id)));
    this.onchange();
  }
}
