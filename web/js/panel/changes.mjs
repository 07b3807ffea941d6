/**
 * Owns catching up with what happens anywhere: each artifact that an event speaks of is asked for once, and asked for
 * again where the answer did not come, so that none is missed.
 */

import { Problem } from "./client.mjs";

/** Events come in handfuls, one transaction's together. */
const TOGETHER = 60;
/** From here on it is cheaper to ask for the list anew. */
const MANY = 40;
const AGAIN = 1500;

export class Changes {
  /**
   * @param {{changed: (artifact: any) => void, gone: (id: string) => void, refresh: () => Promise<void>,
   *          isBehind: () => boolean}} tools `isBehind`: whether an answer failed that the list still needs
   */
  constructor(client, live, tools) {
    Object.assign(this, { client, ...tools });
    this.pending = new Set();
    this.whole = false;
    this.endings = [
      live.listen((event) => this.#hear(event)),
      live.watchConnection((connected, missed) => {
        if (connected && (missed || this.whole || this.isBehind())) this.refresh();
      }),
    ];
  }

  destroy() {
    for (const end of this.endings) end();
    clearTimeout(this.timer);
    this.destroyed = true;
  }

  /** Ask for an artifact as it is now. */
  refetch(id) {
    this.pending.add(id);
    this.#soon(0);
  }

  #hear(event) {
    if (event.entity_type === "artifact") {
      const edited = event.after?.edited_artifact_id;
      for (const id of [event.entity_id, edited, event.before?.head_artifact_id]) if (id) this.pending.add(id);
    } else if (event.action === "workflow.current_changed") {
      for (const side of [event.before, event.after]) if (side?.latest_artifact_id) this.pending.add(side.latest_artifact_id);
    } else if (["chain.deleted", "chain.undeleted"].includes(event.action)) this.whole = true;
    else return;
    this.#soon(TOGETHER);
  }

  #soon(wait) {
    this.timer ??= setTimeout(() => this.#catchUp(), wait);
  }

  async #catchUp() {
    this.timer = undefined;
    const ids = [...this.pending];
    this.pending.clear();
    if (this.whole || ids.length > MANY) {
      this.whole = false;
      await this.refresh();
      return;
    }
    const answers = await Promise.all(ids.map((id) => this.client.artifact(id).catch((error) => error)));
    if (this.destroyed) return;
    answers.forEach((answer, at) => {
      if (!(answer instanceof Error)) this.changed(answer);
      else if (answer instanceof Problem && answer.status === 404) this.gone(ids[at]);
      else this.pending.add(ids[at]);
    });
    if (this.pending.size) this.#soon(AGAIN);
  }
}
