/**
 * Owns talking to the hub: the routes of the contract, errors as they come, and the stream of events.
 */

import { parse, stringify } from "./json.mjs";

/** An error answer: `status`, the problem's `code` and `detail`, and `artifact` where the hub shows its present state. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? `HTTP ${status}`);
    this.status = status;
    this.code = body.code ?? "unknown";
    this.artifact = body.artifact ?? null;
  }
}

/** Why a call failed, in a sentence: the hub's own words, or that it did not answer. */
export function reasonOf(error, t) {
  return error instanceof Problem ? error.message : t("failed.away");
}

export class Client {
  /**
   * @param {string} base where the routes are, without a slash at the end
   * @param {typeof fetch} [fetcher]
   */
  constructor(base, fetcher = (...given) => fetch(...given)) {
    this.base = base;
    this.fetcher = fetcher;
    this.refused = new Set();
  }

  /** Call `listener` whenever the hub wants to know who asks; returns what ends it. */
  whenRefused(listener) {
    this.refused.add(listener);
    return () => this.refused.delete(listener);
  }

  /** A route's whole URL, for pictures and downloads. */
  url(path) {
    return `${this.base}${path}`;
  }

  /** The URL of a link that an answer has: `/artifact-db/…`, wherever the routes are mounted. */
  link(path) {
    return this.base + path.replace(/^\/artifact-db/, "");
  }

  /** The URL of an artifact's thumbnail in a size, "small", "medium" or "large", or of its "strip". */
  thumbnail({ thumbnail_url: path }, size) {
    if (size === "medium") return this.link(path);
    return `${this.link(path)}${path.includes("?") ? "&" : "?"}${size === "strip" ? "strip=1" : `size=${size}`}`;
  }

  /** The first `most` bytes of what a link leads to, as text. */
  async text(link, most) {
    const answer = await this.fetcher(this.link(link), { headers: { Range: `bytes=0-${most - 1}` } });
    if (!answer.ok) throw new Problem(answer.status, {});
    // A letter may be cut in two at the end, and is left out.
    return new TextDecoder().decode(await answer.arrayBuffer(), { stream: true });
  }

  async request(method, path, { body, form, revision, signal, actor } = {}) {
    const headers = {};
    if (actor) headers["X-Artifact-Actor"] = encodeURIComponent(actor);
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (revision !== undefined) headers["If-Match"] = `"${revision}"`;
    const answer = await this.fetcher(this.base + path, {
      method,
      headers,
      body: form ?? (body === undefined ? undefined : stringify(body)),
      signal,
    });
    const text = await answer.text();
    let value = null;
    try {
      value = text ? parse(text) : null;
    } catch {
      value = { detail: `HTTP ${answer.status}` };
    }
    if (answer.ok) return value;
    if (answer.status === 401 && !(method === "POST" && path === "/session")) for (const listener of this.refused) listener();
    throw new Problem(answer.status, value ?? {});
  }

  get(path, signal) {
    return this.request("GET", path, { signal });
  }

  /** How a route that is linked to would answer. */
  head(link) {
    return this.fetcher(this.link(link), { method: "HEAD" });
  }

  /** A page of artifacts: {items, next_cursor}. Filters that are empty are left out. */
  artifacts(filters, { cursor, limit = 200, signal } = {}) {
    const query = new URLSearchParams({ limit: String(limit) });
    for (const [name, value] of Object.entries(filters)) {
      if (value !== "" && value !== false && value !== undefined && value !== null) {
        query.set(name, value === true ? "1" : String(value));
      }
    }
    if (cursor) query.set("cursor", cursor);
    return this.get(`/artifacts?${query}`, signal);
  }

  artifact(id) {
    return this.get(`/artifacts/${id}`);
  }

  versions(id) {
    return this.#whole(`/artifacts/${id}/versions?`);
  }

  /** Of each output of a workflow the version that stands for it. */
  heads(workflow) {
    return this.#whole(`/workflows/${workflow}/artifacts?heads=1&`);
  }

  history(id) {
    return this.#whole(`/artifacts/${id}/events?`);
  }

  /** The nearest of what an artifact was made from and what came of it. */
  lineage(id, { depth, limit }) {
    return this.get(`/artifacts/${id}/lineage?depth=${depth}&limit=${limit}`);
  }

  workflow(id) {
    return this.get(`/workflows/${id}`);
  }

  /** The configured servers with how each is: {items}. */
  servers() {
    return this.get("/servers?limit=500");
  }

  chain(id) {
    return this.get(`/chains/${id}`);
  }

  /** A page of chains with their overviews: {items, next_cursor}. Filters that are empty are left out. */
  chains(filters, { cursor, limit = 50 } = {}) {
    const query = new URLSearchParams({ overview: "1", limit: String(limit) });
    for (const [name, value] of Object.entries(filters)) if (value) query.set(name, value === true ? "1" : String(value));
    if (cursor) query.set("cursor", cursor);
    return this.get(`/chains?${query}`);
  }

  /** The current artifacts of a chain's workflows. */
  currents(chain) {
    return this.#whole(`/artifacts?chain=${chain}&latest=1&`);
  }

  cancelChain(id, actor) {
    return this.request("POST", `/chains/${id}/cancel`, { actor });
  }

  resumeChain(id, actor) {
    return this.request("POST", `/chains/${id}/resume`, { actor });
  }

  /** A new chain, which takes over what the steps before `step` made; without a step all of it runs. */
  rerunChain(id, step, parameters, actor) {
    return this.request("POST", `/chains/${id}/rerun`, { body: { ...(step ? { from_step: step } : {}), parameters }, actor });
  }

  retryWorkflow(id, parameters, actor) {
    return this.request("POST", `/workflows/${id}/retry`, { body: { parameters }, actor });
  }

  retryTransfer(id, actor) {
    return this.request("POST", `/transfers/${id}/retry`, { actor });
  }

  removeChain(id, actor) {
    return this.request("DELETE", `/chains/${id}`, { actor });
  }

  undeleteChain(id, actor) {
    return this.request("POST", `/chains/${id}/undelete`, { actor });
  }

  /** The first tags that begin so, with how many have them: {items}. */
  tags(begins, { limit = 12 } = {}) {
    const query = new URLSearchParams({ limit: String(limit), ...(begins ? { q: begins } : {}) });
    return this.get(`/tags?${query}`);
  }

  /** Put tags on up to 500 artifacts and take others off: {items: [{id, status, tags}]}. */
  changeTags(ids, { add = [], remove = [] }) {
    return this.request("POST", "/tags", { body: { ids, add, remove } });
  }

  waiting() {
    return this.get("/queue");
  }

  /** Whether every output of every prompt is recorded: {record, decided_by, …}. */
  recording() {
    return this.get("/recording");
  }

  switchRecording(record) {
    return this.request("PUT", "/recording", { body: { record } });
  }

  /** Imports of folders, the newest first, and the folders that may be imported. */
  imports() {
    return this.get("/imports");
  }

  import(id) {
    return this.get(`/imports/${id}`);
  }

  beginImport(folder) {
    return this.request("POST", "/imports", { body: { folder } });
  }

  cancelImport(id) {
    return this.request("POST", `/imports/${id}/cancel`);
  }

  /** How the hub is. */
  health() {
    return this.get("/health");
  }

  /** Who is here, and what they may. */
  session() {
    return this.get("/session");
  }

  signIn(token) {
    return this.request("POST", "/session", { body: { token } });
  }

  signOut() {
    return this.request("DELETE", "/session");
  }

  approve(artifact, by) {
    const body = { sha256: artifact.sha256, ...(by ? { approved_by: by } : {}) };
    return this.#change(artifact, "POST", "approve", body);
  }

  reject(artifact, reason, by) {
    return this.#change(artifact, "POST", "reject", { reason, ...(by ? { approved_by: by } : {}) });
  }

  select(artifact, by) {
    return this.#change(artifact, "POST", "select", by ? { approved_by: by } : {});
  }

  askAgain(artifact) {
    return this.request("PATCH", `/artifacts/${artifact.id}`, {
      body: { approval_status: "pending" },
      revision: artifact.revision,
    });
  }

  remove(artifact) {
    return this.request("DELETE", `/artifacts/${artifact.id}`, { revision: artifact.revision });
  }

  undelete(id) {
    return this.request("POST", `/artifacts/${id}/undelete`);
  }

  restore(head, version, by) {
    return this.request("POST", `/artifacts/${head.id}/edit`, {
      body: { from_version: version.id, ...(by ? { approved_by: by } : {}) },
    });
  }

  edit(artifact, file, by) {
    const form = new FormData();
    if (by) form.append("approved_by", by);
    form.append("file", file, file.name || "edited.png");
    return this.request("POST", `/artifacts/${artifact.id}/edit`, { form, revision: artifact.revision });
  }

  /** A list to its end, all of its pages as one: {items}. `path` is ready for a further parameter. */
  async #whole(path) {
    const items = [];
    let cursor = null;
    do {
      const page = await this.get(`${path}limit=500${cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`}`);
      items.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor !== null);
    return { items };
  }

  #change(artifact, method, verb, body) {
    return this.request(method, `/artifacts/${artifact.id}/${verb}`, { body, revision: artifact.revision });
  }
}
