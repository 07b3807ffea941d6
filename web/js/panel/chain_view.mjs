/**
 * Owns one chain as a person sees it: how it stands, its steps as a graph, one of them in detail, and what to do.
 */

import { chainGraph } from "./chain_graph.mjs";
import { button, el, refill } from "./dom.mjs";
import { hear } from "./progress.mjs";
import { RunAgain } from "./run_again.mjs";
import { stepDetails } from "./step_details.mjs";
import { chainBadge, elapsed } from "./standing.mjs";
import { arrange, isOver, neighbour, stepsOf } from "./steps.mjs";

export class ChainView {
  /**
   * @param {{client: any, t: any, language: string, actions: import("./chain_actions.mjs").ChainActions,
   *          may: (permission: string) => boolean, open: (artifact: any) => void, back: () => void,
   *          go: (chainId: string) => void}} tools `open`: an artifact in the viewer; `go`: to another chain
   */
  constructor(tools) {
    Object.assign(this, tools);
    const { t } = this;
    this.chain = null;
    this.#forget();
    this.header = el("header", { class: "adb-chain-head" });
    this.ask = el("div", { class: "adb-ask", role: "alertdialog", "aria-label": t("chain.cancel_ask"), hidden: true });
    this.graph = el("div", { class: "adb-graph", role: "group", "aria-label": t("chain.steps"), tabIndex: -1 });
    this.details = el("div", { class: "adb-step-told", tabIndex: -1 });
    this.again = new RunAgain({ t, send: (...given) => this.#send(...given), ended: () => this.#focus(this.chosen) });
    this.side = el("section", { class: "adb-step-side", hidden: true, "aria-label": t("step.label") }, this.details, this.again.element);
    this.body = el("div", { class: "adb-chain-body" }, this.graph, this.side);
    this.element = el("section", { class: "adb-chain", hidden: true, tabIndex: -1, "aria-label": t("chain.label") }, this.header, this.ask, this.body);
    this.element.addEventListener("keydown", (event) => this.#key(event));
  }

  /** The pictures of the chain, in the order of its steps. */
  get pictures() {
    return this.arranged.rows.flat().map((id) => this.step(id).artifact).filter(Boolean);
  }

  step(id) {
    return this.steps.find((one) => one.id === id);
  }

  /** Show a chain as it is now; `artifacts` are the current ones of its workflows. */
  show(chain, artifacts) {
    if (this.chain?.id !== chain.id) {
      this.again.end();
      this.#forget();
      this.#askNothing();
      this.graph.scrollTo(0, 0);
    }
    Object.assign(this, { chain, artifacts });
    this.element.hidden = false;
    this.#draw();
    if (this.chosen) this.#gather();
  }

  /** Ask anew for what did not come. */
  retry() {
    if (this.chosen && !this.told) this.#gather();
  }

  /** How far the prompts under way are, as it is now. */
  hear(progress) {
    this.chain.progress = progress;
    hear(this.body, progress);
  }

  close() {
    this.again.end();
    this.element.hidden = true;
    this.chain = null;
    this.#forget();
  }

  /** An artifact is as it is now. */
  changed(artifact) {
    if (!this.chain) return;
    const at = this.artifacts.findIndex((one) => one.id === artifact.id && one.revision <= artifact.revision);
    if (at < 0) return;
    this.artifacts = this.artifacts.with(at, artifact);
    this.#draw();
  }

  /** Tell of one step; of the one that is told of already no more. */
  choose(id) {
    const same = this.chosen === id;
    if (!same) this.again.end();
    Object.assign(this, { chosen: same ? null : id, current: id, told: null });
    this.#draw();
    if (this.chosen) this.#gather();
  }

  runAgain(how) {
    if (this.told) this.again.ask(how, this.step(this.chosen), this.told);
  }

  /** Cancelling cannot be taken back: ask first. */
  askToCancel() {
    const { t } = this;
    const yes = () => {
      this.#askNothing();
      this.actions.cancel(this.chain);
    };
    refill(
      this.ask,
      el("p", {}, t("chain.cancel_ask")),
      button("stop", { label: t("chain.cancel_yes"), text: t("chain.cancel_yes"), onclick: yes, danger: true, does: "yes" }),
      button("play", { label: t("chain.cancel_no"), text: t("chain.cancel_no"), onclick: () => this.#askNothing(true), does: "no" }),
    );
    this.ask.hidden = false;
    this.ask.querySelector("[data-do=no]").focus();
  }

  focus() {
    this.#focus(this.current);
  }

  #forget() {
    Object.assign(this, { artifacts: [], steps: [], arranged: { rows: [], places: new Map() }, chosen: null, current: null, told: null });
  }

  #askNothing(refocus = false) {
    this.ask.hidden = true;
    if (refocus) this.header.querySelector('[data-do="cancel"]')?.focus();
  }

  #draw() {
    const { chain } = this;
    this.steps = stepsOf(chain, this.artifacts);
    const columns = Math.max(2, Math.min(6, Math.floor((this.graph.clientWidth || 300) / 144)));
    this.arranged = arrange(this.steps, columns);
    const ids = this.arranged.rows.flat();
    // Until somebody has chosen one, the keys begin where a person is asked.
    if (!ids.includes(this.current)) this.current = this.steps.find((one) => one.waitsForPerson)?.id ?? ids[0] ?? null;
    if (isOver(chain)) this.#askNothing();
    refill(this.header, ...this.#heading());
    refill(
      this.graph,
      ids.length ? chainGraph(this.steps, this.arranged, this) : el("p", { class: "adb-hint" }, this.t("chain.no_steps")),
    );
    const step = this.step(this.chosen);
    this.side.hidden = !step;
    this.#tell();
    hear(this.body, chain.progress);
  }

  #tell() {
    const step = this.step(this.chosen);
    if (step) refill(this.details, ...stepDetails(step, this.told, this));
  }

  async #gather() {
    const id = this.step(this.chosen)?.workflow?.id;
    if (!id) return;
    const found = await this.client.workflow(id).catch(() => null);
    if (!found || this.step(this.chosen)?.workflow?.id !== id) return;
    this.told = found;
    this.#tell();
    hear(this.body, this.chain.progress);
  }

  #heading() {
    const { t, chain, may } = this;
    const act = (shape, key, onclick, more = {}) => button(shape, { label: t(`chain.${key}`), text: t(`chain.${key}`), onclick, does: key, ...more });
    const engine = chain.drive !== null && may("record");
    return [
      el(
        "div",
        { class: "adb-row" },
        button("left", { label: t("chain.back"), onclick: () => this.back(), keys: "Escape", does: "back" }),
        el("h2", { title: chain.name }, chain.name),
      ),
      el("p", { class: "adb-step-line" }, chainBadge(chain, t), elapsed(chain.started_at, chain.completed_at)),
      chain.description ? el("p", { class: "adb-hint" }, chain.description) : null,
      chain.error_message ? el("p", { class: "adb-why" }, chain.error_message) : null,
      chain.drive ? null : el("p", { class: "adb-hint" }, t("chain.elsewhere")),
      el(
        "div",
        { class: "adb-row adb-chain-actions" },
        engine && !isOver(chain) ? act("stop", "cancel", () => this.askToCancel(), { danger: true }) : null,
        engine && chain.status === "failed" ? act("play", "resume", () => this.actions.resume(this.chain), { primary: true }) : null,
        engine && isOver(chain) ? act("retry", "rerun", () => this.#rerun(null, {})) : null,
        chain.drive?.source_chain_id ? act("left", "source", () => this.go(this.chain.drive.source_chain_id)) : null,
        may("admin") ? button("trash", { label: t("chain.delete"), onclick: () => this.actions.remove(this.chain), does: "delete" }) : null,
      ),
    ];
  }

  #send(how, step, values) {
    if (how === "retry") return this.actions.retry(this.chain, step, values);
    return this.#rerun(step, Object.fromEntries(Object.entries(values).map(([key, value]) => [`${step.id}.${key}`, value])));
  }

  async #rerun(step, parameters) {
    const made = await this.actions.rerun(this.chain, step, parameters);
    if (made) this.go(made.id);
    return made;
  }

  #key(event) {
    const inField = event.target.closest("input, textarea, select");
    if (event.ctrlKey || event.metaKey || event.altKey || inField) return;
    if (event.key === "Escape") {
      if (!this.ask.hidden) this.#askNothing(true);
      else if (this.chosen) this.choose(this.chosen);
      else this.back();
    } else if (event.key === "t" && this.details.querySelector('[data-do="retry"]')) this.runAgain("retry");
    else if (event.key.startsWith("Arrow") && event.target.closest(".adb-graph")) {
      this.current = neighbour(this.arranged, this.current, event.key);
      this.#draw();
      this.#focus(this.current);
    } else if (event.key === "o" && this.step(this.current)?.artifact) this.open(this.step(this.current).artifact);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #focus(id) {
    if (this.element.hidden) return;
    const card = [...this.graph.querySelectorAll("[data-do]")].find((one) => one.dataset.do === `step ${id}`);
    (card ?? this.element).focus({ preventScroll: !card });
  }
}
