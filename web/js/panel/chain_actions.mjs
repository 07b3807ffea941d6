/**
 * Owns what a person does to a chain that an engine of the hub drives: one call each, told once.
 */

import { Problem, reasonOf } from "./client.mjs";

export class ChainActions {
  /**
   * @param {any} client
   * @param {{t: any, notify: (kind: string, text: string, undo?: () => void) => void, who: () => string,
   *          done: (chainId: string) => void, removed: (chainId: string) => void,
   *          undoable: (back: (() => any)|null) => void}} tools `done`: a chain is another one than before; `undoable`
   *        hears how the last action of the page is taken back, null where it cannot be
   */
  constructor(client, { t, notify, who, done, removed, undoable }) {
    Object.assign(this, { client, t, notify, who, done, removed, undoable });
    this.busy = new Set();
  }

  cancel(chain) {
    return this.#do(chain, "cancelled", () => this.client.cancelChain(chain.id, this.who()));
  }

  resume(chain) {
    return this.#do(chain, "resumed", () => this.client.resumeChain(chain.id, this.who()));
  }

  /** Run a step again, with other parameters in the place of some. */
  retry(chain, step, parameters) {
    return this.#do(chain, "retried", () => this.client.retryWorkflow(step.workflow.id, parameters, this.who()), { step: step.name });
  }

  /** A new chain from a step on, or of all steps; it is returned. `parameters` are by `STEP.node.input`. */
  rerun(chain, step, parameters) {
    return this.#do(chain, "rerun", () => this.client.rerunChain(chain.id, step?.id, parameters, this.who()));
  }

  /** Try once more to deliver what did not arrive. */
  deliver(chain, transfer) {
    return this.#do(chain, "delivered", async () => {
      const now = await this.client.retryTransfer(transfer.id, this.who());
      if (now.status === "failed") throw new Problem(409, { detail: now.error_message, code: "delivery_failed" });
      return now;
    });
  }

  async remove(chain) {
    const call = async () => (await this.client.removeChain(chain.id, this.who())) ?? chain;
    const gone = await this.#do(chain, "removed", call, {}, () => this.undelete(chain));
    if (gone) this.removed(chain.id);
    return gone;
  }

  undelete(chain) {
    return this.#do(chain, "undeleted", () => this.client.undeleteChain(chain.id, this.who()));
  }

  /** Run one action; a second click while it runs does nothing. Returns the answer, or null. */
  async #do(chain, what, call, values = {}, undo = null) {
    if (this.busy.has(chain.id)) return null;
    this.busy.add(chain.id);
    try {
      const answer = await call();
      this.undoable(undo);
      this.notify("success", this.t(`chain_done.${what}`, { name: chain.name, ...values }), undo);
      return answer;
    } catch (error) {
      this.notify("error", reasonOf(error, this.t));
      return null;
    } finally {
      this.busy.delete(chain.id);
      this.done(chain.id);
    }
  }
}
