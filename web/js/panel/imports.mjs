/**
 * Owns importing folders that the hub's configuration names: which there are, how far an import is, what came of it.
 */

import { reasonOf } from "./client.mjs";
import { button, el, refill } from "./dom.mjs";

const EVERY = 1000;

export class Imports {
  /**
   * @param {{client: import("./client.mjs").Client, t: any, language: string}} tools
   * @param {{may: (permission: string) => boolean, notify: (kind: string, text: string) => void}} told
   */
  constructor({ client, t, language }, { may, notify }) {
    Object.assign(this, { client, t, language, may, notify });
    this.toggle = button("folder", { label: t("imports.title"), text: t("imports.title"), onclick: () => this.#open() });
    this.toggle.setAttribute("aria-expanded", "false");
    this.rows = el("div", { class: "adb-import-rows", hidden: true, role: "group", "aria-label": t("imports.title") });
    this.element = el("div", { class: "adb-imports", hidden: true }, this.toggle, this.rows);
    this.newest = new Map();
    this.unfolded = new Set();
  }

  destroy() {
    this.destroyed = true;
    clearTimeout(this.timer);
  }

  /** Ask which folders there are; whoever may not import sees nothing of it. */
  async look() {
    if (this.destroyed) return;
    if (!this.may("admin")) {
      this.element.hidden = true;
      return;
    }
    try {
      const { folders, items } = await this.client.imports();
      this.folders = folders;
      for (const one of [...items].reverse()) this.#is(one);
    } catch {
      return; // The list says what is the matter.
    }
    this.element.hidden = this.folders.length === 0;
    this.#draw();
    this.#follow();
  }

  #open() {
    this.rows.hidden = !this.rows.hidden;
    this.toggle.setAttribute("aria-expanded", String(!this.rows.hidden));
  }

  async #begin(folder) {
    try {
      this.#is(await this.client.beginImport(folder));
    } catch (error) {
      this.notify("error", reasonOf(error, this.t));
      return;
    }
    this.#draw();
    this.#follow();
  }

  async #stop(folder) {
    try {
      await this.client.cancelImport(this.newest.get(folder).id);
    } catch (error) {
      this.notify("error", reasonOf(error, this.t));
    }
  }

  #is(one) {
    const before = this.newest.get(one.folder);
    this.newest.set(one.folder, one);
    if (before?.id === one.id && before.status === "running" && one.status !== "running") {
      this.notify(one.status === "failed" || one.failed ? "error" : "info", this.#summary(one));
    }
  }

  get #running() {
    return [...this.newest.values()].filter(({ status }) => status === "running");
  }

  #follow() {
    if (this.timer || this.destroyed || !this.#running.length) return;
    this.timer = setTimeout(async () => {
      const answers = await Promise.all(this.#running.map((one) => this.#ask(one)));
      this.timer = undefined;
      if (this.destroyed) return;
      for (const one of answers) this.#is(one);
      this.#draw();
      this.#follow();
    }, EVERY);
  }

  /** How an import is; a hub that was started again knows no more of it, and goes on with none. */
  #ask(one) {
    return this.client.import(one.id).catch(({ status }) => (status === 404 ? { ...one, status: "stopped" } : one));
  }

  #draw() {
    refill(this.rows, ...this.folders.map((folder) => this.#row(folder, this.newest.get(folder))));
  }

  #row(folder, one) {
    const { t } = this;
    const running = one?.status === "running";
    const does = `import ${folder}`;
    const act = running
      ? button("close", { label: t("imports.stop", { folder }), text: t("action.stop"), onclick: () => this.#stop(folder), does })
      : button("folder", { label: t("imports.begin", { folder }), text: t("action.import"), onclick: () => this.#begin(folder), does });
    return el(
      "div",
      { class: "adb-import" },
      el("div", { class: "adb-row" }, el("span", { class: "adb-import-name" }, folder), act),
      running ? el("progress", { max: one.bytes || 1, value: one.bytes_done, "aria-label": t("imports.title") }) : null,
      el("p", { class: "adb-hint" }, this.#told(one)),
      one?.failures.length ? this.#failures(one) : null,
    );
  }

  #told(one) {
    if (!one) return this.t("imports.hint");
    if (one.status !== "running") return this.#summary(one);
    if (!one.waiting) return this.t("imports.looking");
    return this.t("imports.progress", { done: this.#number(one.done), of: this.#number(one.waiting) });
  }

  #summary(one) {
    const { t } = this;
    const here = one.known + one.unchanged;
    const parts = [
      t("imports.added", { n: this.#number(one.new + one.found) }),
      one.versions && t("imports.versions", { n: this.#number(one.versions) }),
      here && t("imports.known", { n: this.#number(here) }),
      one.failed && t("imports.failed", { n: this.#number(one.failed) }),
      one.status === "stopped" && t("imports.stopped"),
      one.status === "failed" && one.error_message,
    ];
    return `${one.folder}: ${parts.filter(Boolean).join(", ")}`;
  }

  #failures({ folder, failures, failed }) {
    const { t, unfolded } = this;
    const more = failed - failures.length;
    return el(
      "details",
      {
        open: unfolded.has(folder),
        ontoggle: ({ target }) => (target.open ? unfolded.add(folder) : unfolded.delete(folder)),
      },
      el("summary", { dataset: { do: `failures ${folder}` } }, t("imports.failed", { n: this.#number(failed) })),
      el(
        "ul",
        {},
        ...failures.map(({ name, reason }) => el("li", {}, `${name}: ${reason}`)),
        more ? el("li", {}, t("imports.more", { n: this.#number(more) })) : null,
      ),
    );
  }

  #number(value) {
    return value.toLocaleString(this.language);
  }
}
