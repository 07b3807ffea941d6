/**
 * Owns what a reviewer does to an artifact: one call each, told once, and taken back where it can be.
 */

import { Problem } from "./client.mjs";

export class Actions {
  /**
   * @param {import("./client.mjs").Client} client
   * @param {{t: any, notify: (kind: string, text: string, undo?: () => void) => void,
   *          changed: (artifact: any) => void, who: () => string, may?: () => boolean}} tools `may`: whether
   *        whoever is here may decide
   */
  constructor(client, { t, notify, changed, who, may = () => true }) {
    Object.assign(this, { client, t, notify, changed, who, may });
    this.busy = new Set();
    this.undone = null;
  }

  approve(artifact) {
    return this.#do(artifact, "approved", () => this.client.approve(artifact, this.who()), {
      back: (now) => this.client.askAgain(now),
    });
  }

  reject(artifact, reason) {
    return this.#do(artifact, "rejected", () => this.client.reject(artifact, reason, this.who()));
  }

  select(artifact, before) {
    return this.#do(artifact, "selected", () => this.client.select(artifact, this.who()), {
      back: before ? async () => this.client.select(await this.client.artifact(before.id), this.who()) : undefined,
    });
  }

  askAgain(artifact) {
    return this.#do(artifact, "asked", () => this.client.askAgain(artifact));
  }

  restore(head, version) {
    return this.#do(version, "restored", () => this.client.restore(head, version, this.who()), {
      back: (made) => this.client.remove(made),
    });
  }

  edit(artifact, file) {
    return this.#do(artifact, "edited", () => this.client.edit(artifact, file, this.who()), {
      back: (made) => this.client.remove(made),
    });
  }

  remove(artifact) {
    return this.#do(artifact, "deleted", () => this.client.remove(artifact), {
      back: (gone) => this.client.undelete(gone.id),
    });
  }

  undelete(artifact) {
    return this.#do(artifact, "undeleted", () => this.client.undelete(artifact.id));
  }

  /** Take the last action of this page back, where it can be. */
  undo() {
    const back = this.undone;
    this.undone = null;
    return back ? back() : undefined;
  }

  /** Run one action; a second click while it runs does nothing. Returns the artifact as it is now, or null. */
  async #do(artifact, what, call, { back } = {}) {
    if (this.busy.has(artifact.id)) return null;
    if (!this.may()) {
      this.notify("info", this.t("access.may_not"));
      return null;
    }
    this.busy.add(artifact.id);
    try {
      const now = await call();
      this.changed(now);
      this.undone = back ? () => this.#back(now, back) : null;
      this.notify("success", this.t(`done.${what}`, { name: now.filename, version: now.version }), this.undone);
      return now;
    } catch (error) {
      this.#failed(error, artifact);
      return null;
    } finally {
      this.busy.delete(artifact.id);
    }
  }

  async #back(now, back) {
    this.undone = null;
    try {
      this.changed(await back(now));
      this.notify("info", this.t("done.undone"));
    } catch (error) {
      this.#failed(error, now);
    }
  }

  #failed(error, artifact) {
    if (!(error instanceof Problem)) {
      this.notify("error", this.t("failed.away"));
      return;
    }
    // Somebody else was faster, or the file has changed: show how it is now; nothing of theirs is lost.
    if (error.artifact) this.changed(error.artifact);
    this.notify("error", error.status === 412 ? this.t("failed.stale") : error.message);
    if (!error.artifact) this.onstale?.(artifact);
  }
}
