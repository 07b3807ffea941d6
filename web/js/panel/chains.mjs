/**
 * Owns the view of chains: the list, the one that is open, and that both follow what happens anywhere.
 */

import { ChainActions } from "./chain_actions.mjs";
import { ChainList } from "./chain_list.mjs";
import { ChainPages } from "./chain_pages.mjs";
import { ChainView } from "./chain_view.mjs";
import { Problem } from "./client.mjs";
import { el } from "./dom.mjs";
import { Servers } from "./servers.mjs";
import { tick } from "./standing.mjs";

/** Events come in handfuls, one transaction's together, and a running chain's in a stream. */
const TOGETHER = 150;
const MANY = 100;
const AGAIN = 1500;

export class Chains {
  /**
   * @param {{client: any, t: any, live: any, language: string, who: () => string}} host
   * @param {{open: (artifact: any) => void, notify: (...said: any[]) => void, may: (permission: string) => boolean,
   *          undoable: (back: (() => any)|null) => void}} tools
   */
  constructor(host, { open, notify, may, undoable }) {
    Object.assign(this, { host, notify });
    const { client, t, language, live } = host;
    this.client = client;
    this.opened = null;
    this.started = false;
    this.asked = 0;
    this.taken = 0;
    this.pending = new Set();
    this.owners = new Map();
    this.actions = new ChainActions(client, {
      ...{ t, who: host.who, notify, undoable },
      done: (id) => this.#touch(id, 0),
      removed: (id) => this.opened === id && this.back(),
    });
    this.pages = new ChainPages(client, { onchange: () => this.#listed() });
    this.list = new ChainList(this.pages, { t, language, may, open: (id) => this.open(id), undelete: (chain) => this.actions.undelete(chain) });
    this.view = new ChainView({ client, t, language, may, open, actions: this.actions, back: () => this.back(), go: (id) => this.open(id) });
    this.servers = new Servers(client, t);
    this.list.element.append(this.servers.element);
    this.element = el("div", { class: "adb-chains", hidden: true }, this.list.element, this.view.element);
    this.endings = [
      live.listen((event) => this.#hear(event)),
      live.watchConnection((connected, missed) => connected && this.#connected(missed)),
    ];
    this.clock = setInterval(() => this.isShown && this.#tick(), 1000);
  }

  destroy() {
    for (const end of this.endings) end();
    clearInterval(this.clock);
    clearTimeout(this.timer);
    this.destroyed = true;
  }

  get isShown() {
    return !this.element.hidden;
  }

  show(shown) {
    this.element.hidden = !shown;
    if (shown && !this.started) {
      this.started = true;
      this.pages.show({});
      this.servers.look();
    }
  }

  /** Show one chain; returns once it is there. */
  async open(id) {
    this.opened = id;
    this.element.classList.add("adb-has-open");
    await this.#fetch().catch(() => this.#away(id));
    if (this.opened === id && this.view.chain?.id === id) this.view.focus();
  }

  /** Back to the list. */
  back() {
    const id = this.opened;
    this.opened = null;
    this.element.classList.remove("adb-has-open");
    this.view.close();
    this.list.draw(null);
    this.list.focus(id);
  }

  /** Put the focus where the keys are heard. */
  focus() {
    if (this.opened) this.view.focus();
    else this.list.focus();
  }

  /** An artifact as it is now. */
  changed(artifact) {
    this.view.changed(artifact);
  }

  async refresh() {
    if (!this.started) return;
    await Promise.all([this.pages.reload(), this.#fetch().catch(() => this.opened && this.#touch(this.opened, AGAIN))]);
  }

  #connected(missed) {
    if (missed || this.pages.error) this.refresh();
    else this.view.retry();
  }

  #tick() {
    tick(this.element);
    if (!document.hidden) this.servers.look();
    this.#listen();
  }

  /** How far prompts are is no event, since no row tells of it: it is asked for while somebody looks at one that runs. */
  async #listen() {
    const { chain } = this.view;
    const runs = chain?.drive && chain.workflows.some((workflow) => workflow.status === "executing");
    if (!runs || this.listening || document.hidden) return;
    this.listening = true;
    const now = await this.client.chain(chain.id).catch(() => null);
    this.listening = false;
    if (now && this.view.chain?.id === now.id) this.view.hear(now.progress);
  }

  /** The hub does not answer: the list says so by itself. */
  #away(id) {
    if (this.opened !== id) return;
    this.back();
    this.notify("error", this.host.t("failed.no_answer_open"));
  }

  #listed() {
    for (const chain of this.pages.items) for (const step of chain.overview?.steps ?? []) this.owners.set(step.id, chain.id);
    this.list.draw(this.opened);
  }

  #hear(event) {
    if (!this.started || !["chain", "workflow", "attempt", "transfer"].includes(event.entity_type)) return;
    const workflow = event.workflow_id ?? event.after?.target_workflow_id;
    const owner = event.chain_id ?? this.owners.get(event.after?.target_workflow_id) ?? this.owners.get(workflow);
    if (owner) this.#touch(owner, TOGETHER);
  }

  #touch(id, wait) {
    this.pending.add(id);
    this.timer ??= setTimeout(() => this.#catchUp(), wait);
  }

  async #catchUp() {
    this.timer = undefined;
    const ids = [...this.pending];
    this.pending.clear();
    try {
      if (ids.length > MANY) await this.pages.reload();
      else await this.pages.renew(ids);
      if (ids.includes(this.opened)) await this.#fetch();
    } catch {
      // Asked for again until the answer comes: what was heard once is not heard twice.
      if (!this.destroyed) ids.forEach((id) => this.#touch(id, AGAIN));
    }
  }

  async #fetch() {
    const id = this.opened;
    if (!id) return;
    const turn = ++this.asked;
    try {
      const [chain, currents] = await Promise.all([this.client.chain(id), this.client.currents(id)]);
      if (this.opened !== id || this.destroyed || turn < this.taken) return;
      this.taken = turn;
      for (const workflow of chain.workflows) this.owners.set(workflow.id, id);
      this.view.show(chain, currents.items);
      this.list.draw(id);
    } catch (error) {
      if (this.opened !== id || this.destroyed) return;
      const { t } = this.host;
      if (!(error instanceof Problem)) throw error;
      this.back();
      this.notify("info", error.status === 404 ? t("chain.gone") : error.message);
    }
  }
}
