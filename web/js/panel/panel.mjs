/**
 * Owns the panel as a whole: the list with its filters, the viewer over it, what is said, and the keys.
 *
 * It does not know where it is shown: the host gives it an element, a client and, in ComfyUI, a graph.
 */

import { Access } from "./access.mjs";
import { Actions } from "./actions.mjs";
import { Chains } from "./chains.mjs";
import { Changes } from "./changes.mjs";
import { Collection } from "./collection.mjs";
import { el, fill, icon, reload } from "./dom.mjs";
import { Filters } from "./filters.mjs";
import { Imports } from "./imports.mjs";
import { listen } from "./keys.mjs";
import { List } from "./list.mjs";
import { Notices } from "./notices.mjs";
import { Room } from "./room.mjs";
import { Selected } from "./selected.mjs";
import { Selection } from "./selection.mjs";
import { Sheet } from "./sheet.mjs";
import { Viewer } from "./viewer.mjs";

export class Panel {
  /**
   * @param {HTMLElement} element
   * @param {{client: any, live: import("./live.mjs").Live, t: any, language: string, who: () => string, graph?: any,
   *          drag?: (event: DragEvent, artifact: any) => void,
   *          watchScheme?: (listener: (scheme: string) => void) => () => void}} host
   *        `watchScheme` tells "dark" or "light" at once and when it changes; without it the system's is taken
   */
  constructor(element, host) {
    Object.assign(this, { element, host });
    const { client, t, live } = host;
    this.near = { index: 0 };
    this.notices = new Notices(t, () => this.refocus());
    this.access = new Access(host, {
      admitted: () => this.#admitted(),
      asked: () => this.#locked(true),
      notify: (...said) => this.notices.say(...said),
    });
    this.actions = new Actions(client, {
      t,
      may: () => this.access.may("review"),
      who: host.who,
      notify: (...said) => this.notices.say(...said),
      changed: (artifact) => this.changed(artifact),
      unmade: (made, from) => this.viewer.artifact?.id === made.id && this.viewer.open(from),
    });
    this.actions.onstale = (artifact) => this.changes.refetch(artifact.id);
    this.collection = new Collection(client, { onchange: (...what) => this.#listed(...what) });
    this.selection = new Selection(this.collection, () => this.#picked());
    this.list = new List(this.collection, this.selection, {
      ...host,
      mayPick: () => this.access.may("review"),
      open: (id) => this.open(id),
      clear: () => this.filters.clear(),
      showAll: () => this.filters.clear({ queue: false }),
    });
    this.selected = new Selected(host, {
      selection: this.selection,
      actions: this.actions,
      left: () => this.list.focus(),
    });
    this.chains = new Chains(host, {
      open: (artifact) => this.viewer.open(artifact),
      notify: (...said) => this.notices.say(...said),
      may: (permission) => this.access.may(permission),
      undoable: (back) => (this.actions.undone = back),
    });
    this.filters = new Filters(
      host,
      (filters) => this.collection.show(filters),
      () => this.#turned(),
    );
    this.viewer = new Viewer({
      ...host,
      actions: this.actions,
      may: (permission) => this.access.may(permission),
      leave: () => this.leave(),
      step: (by) => this.step(by),
      help: () => this.sheet.toggle(),
      seen: (artifact) => this.collection.get(artifact.id) && this.collection.update(artifact),
    });
    this.changes = new Changes(client, live, {
      changed: (artifact) => this.changed(artifact),
      gone: (id) => this.#gone(id),
      refresh: () => this.refresh(),
      isBehind: () => Boolean(this.collection.error) || this.collection.unsure,
    });
    this.lost = el("div", { class: "adb-lost", hidden: true, role: "status" }, icon("warning"), t("live.lost"));
    this.room = new Room(host);
    this.imports = new Imports(host, {
      may: (permission) => this.access.may(permission),
      notify: (...said) => this.notices.say(...said),
    });
    element.classList.add("adb-panel");
    const above = [this.access.form, this.filters.element, this.lost, this.room.element];
    const views = [this.list.element, this.selected.element, this.chains.element, this.imports.element];
    fill(element, ...above, ...views, this.access.line);
    this.overlay = el("div", { class: "adb-overlay" }, this.viewer.element, this.notices.element);
    this.sheet = new Sheet(host, this.overlay);
    document.body.append(this.overlay);
    this.endings = [
      // light-dark() in the styles goes by this; a page of its own follows the system.
      host.watchScheme?.((scheme) => {
        for (const root of [element, this.overlay]) root.style.colorScheme = scheme;
      }),
      live.watchConnection((connected) => {
        this.lost.hidden = connected;
        if (connected && live.tried) this.#retry();
      }),
      listen(this),
    ];
    this.lost.hidden = live.connected || !live.tried;
    this.collection.show(this.filters.value);
    this.#look();
  }

  /** Give everything back; the element is the host's. */
  destroy() {
    for (const end of this.endings) end?.();
    const { access, changes, chains, filters, imports, notices, list, room, viewer } = this;
    for (const part of [access, changes, chains, filters, imports, notices, list, room, viewer]) part.destroy();
    this.overlay.remove();
    fill(this.element);
  }

  open(id) {
    const artifact = this.collection.get(id);
    if (!artifact) return;
    this.viewer.open(artifact);
    this.#remember();
  }

  leave() {
    const id = this.viewer.artifact?.id;
    this.viewer.close();
    if (this.chains.isShown) {
      this.chains.focus();
      return;
    }
    this.list.focus(this.collection.indexOf(id) >= 0 ? id : this.collection.items[this.near.index]?.id);
  }

  /** The next or the one before; where a decision took the shown one off the list, those that took its place. */
  step(by) {
    if (this.chains.isShown) {
      this.#stepInChain(by);
      return;
    }
    const { items } = this.collection;
    const index = this.collection.indexOf(this.near.id);
    const artifact = items[index >= 0 ? index + by : this.near.index + Math.min(by, 0)];
    if (artifact) this.open(artifact.id);
    else this.notices.say("info", this.host.t(by < 0 ? "viewer.first" : "viewer.last"));
  }

  /** An artifact as it is now, from whoever knows it. */
  changed(artifact) {
    this.collection.update(artifact);
    this.viewer.changed(artifact);
    this.chains.changed(artifact);
  }

  /** Ask anew for all that is shown. */
  async refresh() {
    await Promise.all([this.collection.reload(), this.chains.refresh()]);
    this.filters.count();
    if (this.viewer.artifact) this.changes.refetch(this.viewer.artifact.id);
  }

  /** Put the focus where the keys are heard. */
  refocus() {
    if (this.viewer.isOpen) this.viewer.element.focus({ preventScroll: true });
    else if (this.chains.isShown) this.chains.focus();
    else this.list.focus();
  }

  /** Who is here, and what that allows. */
  async #look() {
    await this.access.look();
    this.imports.look();
    this.list.picked();
  }

  /** The hub is there again: what did not come while it was away comes now. */
  #retry() {
    this.#look();
    this.filters.count();
    this.viewer.retry();
    for (const root of [this.element, this.overlay]) reload(root);
  }

  /** The picture of the next step, or of the one before; whatever version of its output is shown. */
  #stepInChain(by) {
    const { pictures } = this.chains.view;
    const at = pictures.findIndex((one) => one.workflow_id === this.viewer.artifact?.workflow_id);
    const artifact = at < 0 ? null : pictures[at + by];
    if (artifact) this.viewer.open(artifact);
    else this.notices.say("info", this.host.t(by < 0 ? "viewer.first" : "viewer.last"));
  }

  #turned() {
    const chains = this.filters.view === "chains";
    this.list.element.hidden = chains;
    if (chains) this.selection.clear();
    this.chains.show(chains);
  }

  /** Nothing is shown before the hub knows who asks. */
  #locked(locked) {
    if (locked && this.viewer?.isOpen) this.viewer.close();
    if (locked) this.selection?.clear();
    if (!this.filters) return;
    if (this.imports) this.imports.element.hidden = locked;
    this.filters.element.hidden = locked;
    if (!locked) this.#turned();
    else for (const part of [this.list, this.chains]) part.element.hidden = true;
  }

  #admitted() {
    this.#locked(false);
    this.host.live.retry();
    this.imports.look();
    this.refresh();
  }

  #picked() {
    this.list.picked();
    this.selected.draw();
  }

  #listed(...what) {
    if (what[0] !== "one") this.selection?.settle();
    this.list?.changed(...what);
    if (this.viewer?.isOpen && !this.chains.isShown) this.#remember();
  }

  /** Where in the list the shown one is; once it is off the list, where it was, whatever comes before it. */
  #remember() {
    const { collection, viewer } = this;
    const shown = [viewer.artifact, ...viewer.choices].map(({ id }) => id).find((id) => collection.indexOf(id) >= 0);
    if (shown) {
      const index = collection.indexOf(shown);
      this.near = { id: shown, index, next: collection.items[index + 1]?.id };
      return;
    }
    const next = collection.indexOf(this.near.next);
    const index = next >= 0 ? next : Math.min(this.near.index, collection.items.length);
    this.near = { index, next: collection.items[index]?.id };
  }

  #gone(id) {
    this.collection.forget(id);
    if (this.viewer.artifact?.id !== id) return;
    this.leave();
    this.notices.say("info", this.host.t("viewer.gone"));
  }
}
