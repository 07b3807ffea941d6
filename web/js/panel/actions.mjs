/**
 * Owns what a reviewer does to an artifact: one call each, told once, and taken back where it can be.
 */

import { Problem } from "./client.mjs";

/** Artifacts whose tags the hub changes in one request. */
const AT_ONCE = 500;

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

  tag(artifact, tag) {
    return this.#do(artifact, "tagged", () => this.client.tag(artifact.id, tag), {
      back: (now) => this.client.untag(now.id, tag),
      ...{ key: `${artifact.id} ${tag}`, told: { tag } },
    });
  }

  untag(artifact, tag) {
    return this.#do(artifact, "untagged", () => this.client.untag(artifact.id, tag), {
      back: (now) => this.client.tag(now.id, tag),
      ...{ key: `${artifact.id} ${tag}`, told: { tag } },
    });
  }

  /** Put a tag on all of these, or take it off. Taken back, it is as it was: who had it before has it still. */
  async tagAll(artifacts, tag, on) {
    const change = (put) => (put ? { add: [tag] } : { remove: [tag] });
    const ids = artifacts.map(({ id }) => id);
    const others = artifacts.filter(({ tags }) => tags.includes(tag) !== on).map(({ id }) => id);
    const done = await this.#all(ids, change(on));
    if (done === null) return;
    this.undone = others.length ? () => this.#allBack(others, change(!on)) : null;
    this.notify("success", this.t(on ? "done.tagged_all" : "done.untagged_all", { n: done, tag }), this.undone);
  }

  /** Take the last action of this page back, where it can be. */
  undo() {
    const back = this.undone;
    this.undone = null;
    return back ? back() : undefined;
  }

  /** Change the tags of many, as many at once as the hub takes; returns how many are there, or null where it failed. */
  async #all(ids, change) {
    if (!this.#allowed()) return null;
    let done = 0;
    try {
      for (let at = 0; at < ids.length; at += AT_ONCE) {
        const { items } = await this.client.changeTags(ids.slice(at, at + AT_ONCE), change);
        done += items.filter(({ status }) => status === 200).length;
      }
      return done;
    } catch (error) {
      const why = error instanceof Problem ? error.message : this.t("failed.no_answer");
      if (done) this.notify("error", this.t("failed.in_part", { done, n: ids.length, reason: why }));
      else this.notify("error", error instanceof Problem ? why : this.t("failed.away"));
      return null;
    }
  }

  async #allBack(ids, change) {
    this.undone = null;
    if ((await this.#all(ids, change)) !== null) this.notify("info", this.t("done.undone"));
  }

  #allowed() {
    if (!this.may()) this.notify("info", this.t("access.may_not"));
    return this.may();
  }

  /** Run one action; a second click while it runs does nothing. Returns the artifact as it is now, or null. */
  async #do(artifact, what, call, { back, key = artifact.id, told = {} } = {}) {
    if (this.busy.has(key) || !this.#allowed()) return null;
    this.busy.add(key);
    try {
      const now = await call();
      this.changed(now);
      this.undone = back ? () => this.#back(now, back) : null;
      this.notify("success", this.t(`done.${what}`, { name: now.filename, version: now.version, ...told }), this.undone);
      return now;
    } catch (error) {
      this.#failed(error, artifact);
      return null;
    } finally {
      this.busy.delete(key);
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
