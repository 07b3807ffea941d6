/**
 * Owns one artifact as a reviewer sees it: the picture, its versions, what it is, what was decided, and what to do.
 */

import { button, el, fill } from "./dom.mjs";
import { facts, story } from "./facts.mjs";
import { Stage } from "./stage.mjs";
import { badge, stateOf } from "./status.mjs";

const MODES = ["side", "slider"];

export class Viewer {
  /**
   * @param {{client: any, t: any, language: string, actions: import("./actions.mjs").Actions, leave: () => void,
   *          step: (by: number) => void, graph?: {add: (artifact: any) => void, open: (artifact: any) => void}}} tools
   */
  constructor(tools) {
    Object.assign(this, tools);
    this.artifact = null;
    this.versions = [];
    this.other = null;
    this.mode = "one";
    this.stage = new Stage(tools);
    this.strip = el("div", { class: "adb-strip", role: "listbox", "aria-label": this.t("versions.label") });
    this.side = el("div", { class: "adb-side" });
    this.bar = el("div", { class: "adb-bar", role: "toolbar", "aria-label": this.t("viewer.toolbar") });
    this.reason = null;
    this.picker = el("input", { type: "file", hidden: true, onchange: () => this.#picked() });
    this.element = el(
      "section",
      { class: "adb-viewer", hidden: true, role: "dialog", "aria-label": this.t("viewer.label"), tabIndex: -1 },
      el("div", { class: "adb-main" }, this.bar, this.stage.element, this.strip),
      this.side,
      this.picker,
    );
    this.element.addEventListener("dragover", (event) => this.#over(event));
    this.element.addEventListener("drop", (event) => this.#drop(event));
    this.element.addEventListener("paste", (event) => this.#files(event.clipboardData?.files, event));
  }

  destroy() {
    this.stage.destroy();
  }

  get isOpen() {
    return !this.element.hidden;
  }

  async open(artifact) {
    const again = this.artifact?.id === artifact.id;
    this.artifact = artifact;
    if (!again) {
      this.other = null;
      this.mode = "one";
      this.reason = null;
      this.versions = [artifact];
    }
    this.element.hidden = false;
    this.#draw();
    if (!again) this.element.focus({ preventScroll: true });
    await this.#gather(artifact.id);
  }

  close() {
    this.element.hidden = true;
    this.artifact = null;
  }

  /** An artifact has changed: redraw if it is shown here, or is a version of what is. */
  async changed(artifact) {
    if (!this.artifact) return;
    const sameOutput =
      artifact.workflow_id === this.artifact.workflow_id && artifact.output_key === this.artifact.output_key;
    if (!sameOutput) return;
    if (artifact.id === this.artifact.id) this.artifact = artifact;
    if (this.other?.id === artifact.id) this.other = artifact;
    this.#draw();
    await this.#gather(this.artifact.id);
  }

  /** Ask for a reason first; a rejection without one is none. */
  askReason() {
    this.reason = this.reason ?? "";
    this.#draw();
    this.element.querySelector(".adb-reason textarea")?.focus();
  }

  /** Compare with the version before, or with what was picked; again: the next way of comparing. */
  compare() {
    if (this.mode === "one") {
      this.other ??= this.versions.find((version) => version.version < this.artifact.version) ??
        this.versions.find((version) => version.id !== this.artifact.id);
      if (!this.other) return;
      this.mode = MODES[0];
    } else this.mode = MODES[MODES.indexOf(this.mode) + 1] ?? "one";
    this.#draw();
  }

  pickFile() {
    this.picker.value = "";
    this.picker.click();
  }

  async #gather(id) {
    const [versions, history, workflow] = await Promise.all([
      this.client.versions(id).catch(() => ({ items: this.versions })),
      this.client.history(id).catch(() => ({ items: [] })),
      this.client.workflow(this.artifact.workflow_id).catch(() => null),
    ]);
    if (this.artifact?.id !== id) return;
    this.versions = versions.items.length ? versions.items : [this.artifact];
    this.artifact = this.versions.find((version) => version.id === id) ?? this.artifact;
    this.history = history.items;
    this.workflow = workflow;
    this.#draw();
  }

  #draw() {
    const { artifact } = this;
    this.stage.show(artifact, this.mode === "one" ? null : this.other, this.mode);
    fill(this.bar, ...this.#buttons(artifact));
    this.#drawStrip();
    fill(
      this.side,
      this.#heading(artifact),
      this.reason === null ? null : this.#reasonForm(artifact),
      facts(artifact, this.workflow, this),
      story(this.history ?? [], this),
    );
  }

  #heading(artifact) {
    const state = stateOf(artifact);
    const told =
      state.key === "changed"
        ? this.t("state.changed")
        : artifact.approval_status === "rejected"
          ? this.t("state.rejected", { who: artifact.decided_by ?? "?", reason: artifact.rejection_reason ?? "" })
          : artifact.approved_by
            ? this.t("state.decided", { who: artifact.approved_by })
            : null;
    return el(
      "header",
      {},
      el("h2", { title: artifact.filename }, artifact.filename),
      badge(artifact, this.t, { wide: true }),
      artifact.is_latest ? el("span", { class: "adb-chip" }, this.t("cell.current")) : null,
      told ? el("p", { class: "adb-told" }, told) : null,
    );
  }

  #buttons(artifact) {
    const { t, actions } = this;
    const gone = Boolean(artifact.deleted_at);
    const state = artifact.approval_status;
    const head = this.versions.find((version) => version.is_head) ?? artifact;
    const current = this.versions.find((version) => version.is_latest);
    const make = (name, key, onclick, { text, ...more } = {}) =>
      button(name, { label: t(`action.${key}`), text: text ? t(`action.${key}`) : null, onclick, ...more });
    if (gone) {
      return [
        make("undo", "undelete", () => actions.undelete(artifact), { text: true }),
        make("close", "close", () => this.leave(), { keys: "Escape" }),
      ];
    }
    return [
      make("left", "previous", () => this.step(-1), { keys: "ArrowLeft" }),
      make("right", "next", () => this.step(1), { keys: "ArrowRight" }),
      el("span", { class: "adb-gap" }),
      ["pending", "rejected", "auto_approved"].includes(state)
        ? make("check", "approve", () => actions.approve(artifact), { keys: "a", text: true, primary: true })
        : null,
      state === "rejected"
        ? null
        : make("cross", "reject", () => this.askReason(), { keys: "r", text: true, danger: true }),
      artifact.usable && !(artifact.is_latest && artifact.is_head)
        ? make("star", "select", () => actions.select(artifact, current), { keys: "s", text: true })
        : null,
      artifact.usable && !artifact.is_head
        ? make("undo", "restore", () => actions.restore(head, artifact), { text: true })
        : null,
      el("span", { class: "adb-gap" }),
      this.versions.length > 1
        ? make("compare", this.mode === "one" ? "compare" : `compare_${this.mode}`, () => this.compare(), {
            keys: "c",
            pressed: this.mode !== "one",
          })
        : null,
      make("fit", "zoom", () => this.stage.zoom.toggle(), { keys: "z" }),
      make("upload", "edit", () => this.pickFile(), { keys: "e" }),
      make("download", "download", () => this.download(artifact), { keys: "d" }),
      this.graph ? make("graph", "into_graph", () => this.graph.add(artifact), { keys: "g" }) : null,
      state !== "pending" && artifact.usable
        ? make("clock", "ask_again", () => actions.askAgain(artifact))
        : null,
      make("trash", "delete", () => actions.remove(artifact), { keys: "Delete" }),
      make("close", "close", () => this.leave(), { keys: "Escape" }),
    ];
  }

  #drawStrip() {
    const { t, client } = this;
    const shown = this.versions.length > 1;
    this.strip.hidden = !shown;
    if (!shown) return;
    fill(
      this.strip,
      ...this.versions.map((version) =>
        el(
          "button",
          {
            type: "button",
            role: "option",
            class: "adb-version",
            "aria-selected": String(version.id === this.artifact.id),
            dataset: { other: String(this.mode !== "one" && version.id === this.other?.id) },
            title: t("versions.hint"),
            onclick: (event) => (event.shiftKey ? this.#compareWith(version) : this.turnTo(version)),
          },
          el("img", { src: client.link(version.thumbnail_url), alt: "", decoding: "async" }),
          el("span", {}, t("cell.version", { n: version.version })),
          badge(version, t),
        ),
      ),
    );
  }

  /** Another version of the same output: what is compared stays. */
  turnTo(version) {
    this.artifact = version;
    this.reason = null;
    this.#draw();
    this.#gather(version.id);
  }

  #compareWith(version) {
    if (version.id === this.artifact.id) return;
    this.other = version;
    this.mode = this.mode === "one" ? MODES[0] : this.mode;
    this.#draw();
  }

  #reasonForm(artifact) {
    const { t } = this;
    const text = el("textarea", {
      rows: 3,
      maxLength: 2000,
      placeholder: t("reject.placeholder"),
      "aria-label": t("reject.label"),
      value: this.reason,
      oninput: (event) => {
        this.reason = event.target.value;
      },
      onkeydown: (event) => {
        event.stopPropagation();
        if (event.key === "Escape") this.#endReason();
        if (event.key === "Enter" && !event.shiftKey) {
          event.preventDefault();
          this.#reject(artifact, text);
        }
      },
    });
    return el(
      "form",
      {
        class: "adb-reason",
        onsubmit: (event) => {
          event.preventDefault();
          this.#reject(artifact, text);
        },
      },
      el("label", {}, t("reject.label")),
      text,
      el(
        "div",
        { class: "adb-row" },
        el("button", { type: "submit", class: "adb-button adb-danger" }, t("action.reject")),
        el("button", { type: "button", class: "adb-button", onclick: () => this.#endReason() }, t("action.cancel")),
      ),
    );
  }

  async #reject(artifact, text) {
    const reason = text.value.trim();
    if (!reason) {
      text.setAttribute("aria-invalid", "true");
      text.focus();
      return;
    }
    if (await this.actions.reject(artifact, reason)) this.#endReason();
  }

  #endReason() {
    this.reason = null;
    if (this.artifact) this.#draw();
    this.element.focus({ preventScroll: true });
  }

  /** Save the file under its own name. */
  download(artifact = this.artifact) {
    const link = el("a", { href: this.client.link(artifact.url), download: artifact.filename });
    this.element.append(link);
    link.click();
    link.remove();
  }

  #picked() {
    if (this.picker.files[0]) this.actions.edit(this.artifact, this.picker.files[0]);
  }

  #over(event) {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  }

  #drop(event) {
    this.#files(event.dataTransfer?.files, event);
  }

  #files(files, event) {
    if (!files?.length || !this.artifact) return;
    event.preventDefault();
    event.stopPropagation();
    this.actions.edit(this.artifact, files[0]);
  }
}
