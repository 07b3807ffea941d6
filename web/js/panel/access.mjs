/**
 * Owns who is at the browser: asks for a token where the hub wants one, once, and tells what its holder may do.
 *
 * The token goes to the hub and is kept nowhere: what stays is a cookie that no script can read.
 */

import { reasonOf } from "./client.mjs";
import { button, el, fill, icon } from "./dom.mjs";

export class Access {
  /**
   * @param {{client: import("./client.mjs").Client, t: any}} tools
   * @param {{admitted: () => void, asked: () => void, notify: (kind: string, text: string) => void}} told `asked`: a
   *        token is needed before anything can be shown
   */
  constructor({ client, t }, told) {
    Object.assign(this, { client, t, ...told });
    this.who = null;
    this.isNeeded = false;
    this.token = el("input", {
      type: "password",
      autocomplete: "off",
      spellcheck: false,
      "aria-label": t("access.token"),
      placeholder: t("access.token"),
    });
    this.wrong = el("p", { class: "adb-wrong", role: "alert", hidden: true });
    this.form = el(
      "form",
      { class: "adb-sign-in", hidden: true, onsubmit: (event) => this.#signIn(event) },
      icon("key"),
      el("p", {}, t("access.needed")),
      el("p", { class: "adb-hint" }, t("access.how")),
      this.token,
      this.wrong,
      el("button", { type: "submit", class: "adb-button adb-primary" }, t("access.sign_in")),
    );
    this.line = el("div", { class: "adb-row adb-who", hidden: true });
    this.end = client.whenRefused(() => this.ask());
  }

  destroy() {
    this.end();
  }

  /** Whether whoever is here may do this; until the hub has told, nothing is held back. */
  may(permission) {
    return this.who === null || this.who.permissions.includes(permission);
  }

  /** Ask the hub who is here. */
  async look() {
    try {
      this.#is(await this.client.session());
    } catch {
      // Where a token is needed the form is there by now; else the list says what is the matter.
    }
  }

  /** Ask for a token in place of everything else. */
  ask() {
    if (this.isNeeded) return;
    this.isNeeded = true;
    this.form.hidden = false;
    this.line.hidden = true;
    this.asked();
    this.token.focus();
  }

  async #signIn(event) {
    event.preventDefault();
    const token = this.token.value.trim();
    if (!token) return;
    this.wrong.hidden = true;
    try {
      this.#is(await this.client.signIn(token));
    } catch (error) {
      this.wrong.textContent = error.status === 401 ? this.t("access.wrong") : reasonOf(error, this.t);
      this.wrong.hidden = false;
      this.token.select();
      return;
    }
    this.token.value = "";
    this.isNeeded = false;
    this.form.hidden = true;
    this.admitted();
  }

  async #signOut() {
    try {
      await this.client.signOut();
    } catch (error) {
      this.notify("error", reasonOf(error, this.t));
    }
    await this.look();
  }

  #is(who) {
    this.who = who;
    this.line.hidden = who.via !== "session";
    fill(
      this.line,
      el("span", {}, this.t("access.who", { name: who.name, role: this.t(`role.${who.role}`) })),
      button("close", { label: this.t("access.sign_out"), text: this.t("access.sign_out"), onclick: () => this.#signOut() }),
    );
  }
}
