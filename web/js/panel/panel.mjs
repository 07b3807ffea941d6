/**
 * Owns the panel as a whole: the list with its filters, the viewer over it, what is said, and the keys.
 *
 * It does not know where it is shown: the host gives it an element, a client and, in ComfyUI, a graph.
 */

import { Actions } from "./actions.mjs";
import { Collection } from "./collection.mjs";
import { button, el, fill, icon } from "./dom.mjs";
import { Filters } from "./filters.mjs";
import { keySheet, listen } from "./keys.mjs";
import { List } from "./list.mjs";
import { Viewer } from "./viewer.mjs";

const SAID_FOR = 6000;

export class Panel {
  /**
   * @param {HTMLElement} element
   * @param {{client: any, live: import("./live.mjs").Live, t: any, language: string, who: () => string, graph?: any,
   *          scheme?: () => string, drag?: (event: DragEvent, artifact: any) => void}} host
   */
  constructor(element, host) {
    Object.assign(this, { element, host });
    const { client, t, live } = host;
    this.actions = new Actions(client, {
      t,
      who: host.who,
      notify: (...said) => this.notify(...said),
      changed: (artifact) => this.changed(artifact),
    });
    this.actions.onstale = () => this.refresh();
    this.collection = new Collection(client, { onchange: (...what) => this.list?.changed(...what) });
    this.list = new List(this.collection, { ...host, open: (id) => this.open(id) });
    this.filters = new Filters(host, (filters) => this.collection.show(filters));
    this.viewer = new Viewer({
      ...host,
      actions: this.actions,
      leave: () => this.leave(),
      step: (by) => this.step(by),
    });
    this.said = el("div", { class: "adb-said", role: "status", "aria-live": "polite" });
    this.lost = el("div", { class: "adb-lost", hidden: true, role: "status" }, icon("warning"), t("live.lost"));
    element.classList.add("adb-panel");
    fill(element, this.filters.element, this.lost, this.list.element);
    this.overlay = el("div", { class: "adb-overlay" }, this.viewer.element, this.said);
    document.body.append(this.overlay);
    // light-dark() in the styles goes by this; a page of its own follows the system.
    for (const root of [element, this.overlay]) root.style.colorScheme = host.scheme?.() ?? "light dark";
    this.endings = [
      live.listen((event) => this.#hear(event)),
      live.watchConnection((...state) => this.#connection(...state)),
      listen(this),
    ];
    this.pending = new Set();
    this.collection.show(this.filters.value);
  }

  /** Give everything back; the element is the host's. */
  destroy() {
    for (const end of this.endings) end();
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    this.list.destroy();
    this.viewer.destroy();
    this.overlay.remove();
    fill(this.element);
  }

  open(id) {
    const artifact = this.collection.get(id);
    if (!artifact) return;
    this.position = this.collection.indexOf(id);
    this.viewer.open(artifact);
  }

  leave() {
    const id = this.viewer.artifact?.id;
    this.viewer.close();
    if (id) this.list.focus(id);
  }

  /** The next or the one before; where a decision took the shown one off the list, those that took its place. */
  step(by) {
    const index = this.collection.indexOf(this.viewer.artifact?.id);
    const next = index >= 0 ? index + by : this.position + Math.min(by, 0);
    const artifact = this.collection.items[next];
    if (artifact) this.open(artifact.id);
  }

  /** An artifact as it is now, from whoever knows it. */
  changed(artifact) {
    this.collection.update(artifact);
    this.viewer.changed(artifact);
  }

  /** Ask anew for all that is shown. */
  async refresh() {
    await this.collection.reload();
    const id = this.viewer.artifact?.id;
    if (id) this.changed(await this.host.client.artifact(id));
  }

  /** Say something for a while, with a way back where there is one. */
  notify(kind, text, undo) {
    clearTimeout(this.silence);
    const { t } = this.host;
    const hush = () => fill(this.said);
    fill(
      this.said,
      el(
        "div",
        { class: `adb-notice adb-${kind}` },
        el("span", {}, text),
        undo
          ? button("undo", {
              label: t("action.undo"),
              text: t("action.undo"),
              keys: "u",
              onclick: () => {
                hush();
                this.actions.undo();
              },
            })
          : null,
        button("close", { label: t("action.dismiss"), onclick: hush }),
      ),
    );
    this.silence = setTimeout(hush, SAID_FOR);
  }

  toggleSheet() {
    const shown = this.overlay.querySelector(".adb-sheet");
    if (shown) shown.remove();
    else this.overlay.append(keySheet(this.host.t, () => this.toggleSheet()));
  }

  #hear(event) {
    if (event.entity_type === "artifact") this.pending.add(event.entity_id);
    else if (event.action === "workflow.current_changed") {
      for (const side of [event.before, event.after]) if (side?.latest_artifact_id) this.pending.add(side.latest_artifact_id);
    } else if (event.action === "chain.deleted") this.gone = true;
    else return;
    // Events come in handfuls, one transaction's together; each artifact is asked for once.
    this.timer ??= setTimeout(() => this.#catchUp(), 60);
  }

  async #catchUp() {
    this.timer = undefined;
    const ids = [...this.pending];
    this.pending.clear();
    if (this.gone || ids.length > 40) {
      this.gone = false;
      await this.refresh();
      return;
    }
    const found = await Promise.all(ids.map((id) => this.host.client.artifact(id).catch(() => null)));
    for (const artifact of found) if (artifact) this.changed(artifact);
  }

  #connection(connected, missed) {
    this.lost.hidden = connected;
    if (missed) this.refresh();
  }
}
