/**
 * Owns what a reviewer does to an artifact: one call each, told once, and taken back where it can be.
 */

import { Problem } from "./client.mjs";

/** Artifacts whose tags the hub changes in one request. */
const AT_ONCE = 500;

/** As the hub's `POST /tags` takes it: tags to put on, or to take off. */
function change(tags, on) {
  return on ? { add: tags } : { remove: tags };
}

export class Actions {
  /**
   * @param {import("./client.mjs").Client} client
   * @param {{t: any, notify: (kind: string, text: string, undo?: () => void) => void,
   *          changed: (artifact: any) => void, who: () => string, may?: () => boolean,
   *          unmade?: (made: any, from: any) => void}} tools `may`: whether whoever is here may decide; `unmade` hears
   *        that a version was taken back, and what it had been made from
   */
  constructor(client, { t, notify, changed, who, may = () => true, unmade = () => {} }) {
    Object.assign(this, { client, t, notify, changed, who, may, unmade });
    this.busy = new Set();
    this.undone = null;
  }

  /** Taken back only where the hub can be brought to say again what it said before. */
  approve(artifact) {
    const back = {
      pending: (now) => this.client.askAgain(now),
      rejected: (now) => this.client.reject(now, artifact.rejection_reason, this.who()),
    }[artifact.approval_status];
    return this.#do(artifact, "approved", () => this.client.approve(artifact, this.who()), { back });
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
      back: (made) => this.#unmake(made, version),
    });
  }

  edit(artifact, file) {
    return this.#do(artifact, "edited", () => this.client.edit(artifact, file, this.who()), {
      back: (made) => this.#unmake(made, artifact),
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

  /** Put tags on that it has not, all of one entry at once. */
  tag(artifact, tags) {
    return this.#do(artifact, "tagged", () => this.#tag(artifact, tags, true), {
      back: () => this.#tag(artifact, tags, false),
      ...{ key: `${artifact.id} ${tags}`, told: { tag: tags.join(", ") } },
    });
  }

  untag(artifact, tag) {
    return this.#do(artifact, "untagged", () => this.#tag(artifact, [tag], false), {
      back: () => this.#tag(artifact, [tag], true),
      ...{ key: `${artifact.id} ${tag}`, told: { tag } },
    });
  }

  /** Put tags on all of these, or take them off. Taken back, it is as it was: who had one before has it still. */
  async tagAll(artifacts, tags, on) {
    const done = await this.#all(artifacts.map(({ id }) => id), change(tags, on));
    if (done === null) return;
    const others = tags
      .map((tag) => ({ tag, ids: artifacts.filter((one) => one.tags.includes(tag) !== on).map(({ id }) => id) }))
      .filter(({ ids }) => ids.length);
    this.undone = others.length ? () => this.#allBack(others, !on) : null;
    this.notify("success", this.t(on ? "done.tagged_all" : "done.untagged_all", { n: done, tag: tags.join(", ") }), this.undone);
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

  async #allBack(others, on) {
    this.undone = null;
    for (const { tag, ids } of others) {
      if ((await this.#all(ids, change([tag], on))) !== null) continue;
      this.undone ??= () => this.#allBack(others, on);
      return;
    }
    this.notify("info", this.t("done.undone"));
  }

  /** Change the tags of one; it is returned as it is then. */
  async #tag({ id }, tags, on) {
    await this.client.changeTags([id], change(tags, on));
    return this.client.artifact(id);
  }

  /** Take back a version that was made from another one. */
  async #unmake(made, from) {
    const gone = await this.client.remove(made);
    this.unmade(made, from);
    return gone;
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
      // Where no answer came it can be tried again.
      if (!(error instanceof Problem)) this.undone ??= () => this.#back(now, back);
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
