/**
 * Owns one artifact as a reviewer sees it: the picture, its versions, what it is, what was decided, and what to do.
 */

import { el, refill } from "./dom.mjs";
import { facts, heading, story } from "./facts.mjs";
import { generation } from "./generation.mjs";
import { lineageGraph, NEAREST } from "./lineage.mjs";
import { Reason } from "./reason.mjs";
import { batchOf, outputOf, placeInBatch } from "./stacks.mjs";
import { Stage } from "./stage.mjs";
import { strip } from "./strip.mjs";
import { Tags } from "./tags.mjs";
import { toolbar } from "./toolbar.mjs";

const MODES = ["side", "slider"];

export class Viewer {
  /**
   * @param {{client: any, t: any, language: string, actions: import("./actions.mjs").Actions, leave: () => void,
   *          may: (permission: string) => boolean, step: (by: number) => void, help: () => void, seen: (artifact: any) => void,
   *          graph?: {add: (artifact: any) => void, open: (workflow: any, name: string) => void}}} tools
   */
  constructor(tools) {
    Object.assign(this, tools);
    const { t } = this;
    Object.assign(this, { artifact: null, asked: 0, taken: 0, isBehind: false });
    this.#forget();
    this.stage = new Stage({ ...tools, save: (artifact) => this.download(artifact) });
    this.strip = el("div", { class: "adb-strip" });
    this.reason = new Reason({
      t,
      reject: (reason) => this.actions.reject(this.artifact, reason),
      ended: () => this.element.focus({ preventScroll: true }),
    });
    this.tags = new Tags({ ...tools, ended: () => this.element.focus({ preventScroll: true }) });
    this.heading = el("header", {});
    this.facts = el("section", { class: "adb-facts" });
    this.lineageGraph = el("section", { class: "adb-lineage" });
    this.story = el("section", { class: "adb-story" });
    this.side = el(
      "div",
      { class: "adb-side", tabIndex: 0, role: "region", "aria-label": t("facts.title") },
      ...[this.heading, this.reason.element, this.tags.element, this.facts, this.lineageGraph, this.story],
    );
    this.bar = el("div", { class: "adb-bar", role: "toolbar", "aria-label": t("viewer.toolbar") });
    this.picker = el("input", { type: "file", hidden: true, onchange: () => this.take(this.picker.files) });
    this.element = el(
      "section",
      { class: "adb-viewer", hidden: true, role: "dialog", "aria-modal": "true", "aria-label": t("viewer.label"), tabIndex: -1 },
      el("div", { class: "adb-main" }, this.bar, this.stage.element, this.stage.player.element, this.strip),
      this.side,
      this.picker,
    );
    this.element.addEventListener("dragover", (event) => this.#over(event));
    this.element.addEventListener("dragleave", () => this.element.classList.remove("adb-taking"));
    this.element.addEventListener("drop", (event) => this.#drop(event));
  }

  destroy() {
    this.stage.destroy();
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** What its workflow offers downstream, if it is a version of this output or another of its batch. */
  get current() {
    return this.choices.find((one) => one.is_latest);
  }

  /** What can be turned to and compared with: the versions of this output, then the others of its batch. */
  get choices() {
    return [...this.versions, ...this.batch.filter((one) => outputOf(one) !== outputOf(this.artifact))];
  }

  get head() {
    return this.versions.find((version) => version.is_head) ?? this.artifact;
  }

  async open(artifact) {
    if (this.artifact?.id !== artifact.id) this.#forget();
    this.artifact = artifact;
    this.versions = this.versions.length ? this.versions : [artifact];
    this.reason?.end();
    const opened = this.element.hidden;
    this.element.hidden = false;
    this.#draw();
    if (opened || !this.element.contains(document.activeElement)) this.element.focus({ preventScroll: true });
    await this.#gather();
  }

  close() {
    this.reason.end();
    this.tags.end();
    this.element.hidden = true;
    this.artifact = null;
    this.#forget();
    this.stage.clear();
  }

  /** An artifact has changed: redraw if it is shown here, or is a version of what is. */
  async changed(artifact) {
    if (!this.artifact || !this.#concerns(artifact)) return;
    const newer = (known) => (known?.id === artifact.id && !(known.revision > artifact.revision) ? artifact : known);
    this.artifact = newer(this.artifact);
    this.other = newer(this.other);
    this.versions = this.versions.map(newer);
    this.batch = this.batch.map(newer);
    this.#draw();
    await this.#gather();
  }

  /** Ask anew for what did not come. */
  retry() {
    if (!this.isOpen) return;
    this.stage.retry();
    this.#draw();
    if (this.isBehind) this.#gather();
  }

  /** Ask for a reason first; a rejection without one is none. */
  askReason() {
    if (!this.artifact.deleted_at && this.may("review")) this.reason.ask();
  }

  /** Compare with the version before, with the next of its batch, or with what was picked; again: in the next way. */
  compare() {
    if (this.mode === "one") {
      this.other ??=
        this.versions.find((version) => version.version < this.artifact.version) ??
        this.choices.find((one) => one.id !== this.artifact.id);
      if (!this.other) return;
      this.mode = MODES[0];
    } else this.mode = MODES[MODES.indexOf(this.mode) + 1] ?? "one";
    this.#draw();
  }

  compareWith(id) {
    if (id === this.artifact.id) return;
    this.other = this.choices.find((one) => one.id === id);
    if (this.mode === "one") this.mode = MODES[0];
    this.#draw();
  }

  /** Another version or another of its batch; what it is compared with stays, unless it is that. */
  turnTo(id) {
    const chosen = this.choices.find((one) => one.id === id);
    if (this.other?.id === id) this.other = this.artifact;
    if (outputOf(chosen) !== outputOf(this.artifact)) Object.assign(this, { versions: [chosen], history: [] });
    this.artifact = chosen;
    this.reason.end();
    this.#draw();
    this.#gather();
  }

  /** The next or the one before in the strip: of its batch where there is one, else of its versions. */
  turn(by) {
    const row = this.batch.length > 1 ? this.batch : this.versions;
    const shown = row.findIndex((one) => outputOf(one) === outputOf(this.artifact) && (row === this.batch || one.id === this.artifact.id));
    const next = row[shown + by];
    if (next) this.turnTo(next.id);
  }

  pickFile() {
    this.picker.value = "";
    this.picker.click();
  }

  /** Save the file under its own name. */
  download(artifact = this.artifact) {
    const link = el("a", { href: this.client.link(artifact.url), download: artifact.filename });
    this.element.append(link);
    link.click();
    link.remove();
  }

  /** A node that loads it; the viewer makes way, so that it is seen. */
  intoGraph() {
    const { artifact } = this;
    if (!this.graph) return;
    this.leave();
    this.graph.add(artifact);
  }

  /** Files that were picked, dropped or pasted: the first is the edited version. */
  async take(files, event) {
    if (!files?.length || !this.artifact) return;
    event?.preventDefault();
    const { artifact } = this;
    const made = await this.actions.edit(artifact, files[0]);
    if (made && this.artifact?.id === artifact.id) await this.open(made);
  }

  #forget() {
    Object.assign(this, { versions: [], batch: [], other: null, mode: "one", history: [], workflow: null, lineage: null });
  }

  #concerns(artifact) {
    if (outputOf(artifact) === outputOf(this.artifact)) return true;
    const batch = batchOf(this.artifact);
    return batch !== null && batchOf(artifact) === batch;
  }

  async #gather() {
    const { id, workflow_id: run } = this.artifact;
    const batch = batchOf(this.artifact);
    const turn = ++this.asked;
    let behind = false;
    const kept = (value) => () => {
      behind = true;
      return value;
    };
    const [versions, heads, history, workflow, lineage] = await Promise.all([
      this.client.versions(id).catch(kept({ items: [] })),
      batch === null ? { items: [] } : this.client.heads(run).catch(kept({ items: this.batch })),
      this.client.history(id).catch(kept({ items: this.history })),
      this.client.workflow(run).catch(kept(this.workflow)),
      this.client.lineage(id, NEAREST).catch(kept(this.lineage)),
    ]);
    if (this.artifact?.id !== id || turn < this.taken) return;
    Object.assign(this, { taken: turn, isBehind: behind });
    if (versions.items.length) this.versions = versions.items;
    this.batch = heads.items
      .filter((one) => batchOf(one) === batch)
      .sort((one, next) => placeInBatch(one) - placeInBatch(next));
    const now = this.versions.find((version) => version.id === id);
    if (now && !(this.artifact.revision > now.revision)) this.artifact = now;
    this.history = history.items;
    this.workflow = workflow;
    this.lineage = lineage;
    this.#draw();
    // Whether the bytes have changed is looked at now and then only: the list should show what was found.
    this.seen(this.artifact);
  }

  #draw() {
    const { artifact } = this;
    this.stage.show(artifact, this.mode === "one" ? null : this.other, this.mode);
    refill(this.bar, ...toolbar(this));
    this.strip.hidden = this.choices.length < 2;
    refill(this.strip, ...strip(this));
    refill(this.heading, ...heading(artifact, this));
    this.tags.draw(artifact);
    refill(this.facts, ...generation(artifact, this), ...facts(artifact, this.workflow, this));
    refill(this.lineageGraph, ...lineageGraph(this.lineage, this));
    refill(this.story, ...story(this.history, this));
    if (this.drawn !== artifact.id) this.side.scrollTop = 0;
    this.drawn = artifact.id;
  }

  #over(event) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    this.element.classList.add("adb-taking");
  }

  #drop(event) {
    this.element.classList.remove("adb-taking");
    event.stopPropagation();
    this.take(event.dataTransfer?.files, event);
  }
}
