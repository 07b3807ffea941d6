/**
 * Owns hearing of changes: one stream of events for the page, resumed where it broke off, so that none is missed.
 *
 * A browser opens six connections to a server for all of its tabs, and a stream holds one of them: a page that nobody
 * sees has none, and takes it up again when it is seen.
 */

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15000;

export class Live {
  /**
   * @param {import("./client.mjs").Client} client
   * @param {{source?: typeof EventSource, later?: typeof setTimeout, page?: Document}} [tools] replaced in tests
   */
  constructor(
    client,
    { source = globalThis.EventSource, later = (...given) => setTimeout(...given), page = globalThis.document } = {},
  ) {
    this.client = client;
    this.Source = source;
    this.later = later;
    this.page = page;
    this.turned = () => (page.hidden ? this.#rest() : this.retry());
    this.last = null;
    this.listeners = new Set();
    this.stateListeners = new Set();
    this.connected = false;
    this.tried = false;
    this.wait = FIRST_WAIT;
    this.stream = null;
    this.stopped = true;
  }

  /** Call `listener` with each event; returns what ends it. */
  listen(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /**
   * Call `listener` as the connection comes and goes, with whether it is there, and whether something may have been
   * missed: a stream that has heard nothing yet has no number to resume after. Returns what ends it.
   */
  watchConnection(listener) {
    this.stateListeners.add(listener);
    return () => this.stateListeners.delete(listener);
  }

  start() {
    if (!this.stopped) return;
    this.stopped = false;
    this.page.addEventListener("visibilitychange", this.turned);
    this.#connect();
  }

  /** Try at once where the last try failed. */
  retry() {
    if (this.stopped || this.stream) return;
    this.wait = FIRST_WAIT;
    this.#connect();
  }

  stop() {
    this.stopped = true;
    this.#rest();
  }

  /** Hear nothing for now; nothing is lost by it, so nobody is told. */
  #rest() {
    this.stream?.close();
    this.stream = null;
  }

  #connect() {
    if (this.page.hidden) return;
    // Without a number a stream begins with the next event.
    const from = this.last;
    const stream = new this.Source(this.client.url(from === null ? "/events" : `/events?after=${from.seq}`));
    this.stream = stream;
    stream.onopen = () => {
      this.wait = FIRST_WAIT;
      this.#tell(true, from === null);
      if (from !== null) this.#check(stream, from);
    };
    stream.onerror = () => {
      // The browser would resume by itself, but gives up for good when the server answers with an error.
      stream.close();
      if (this.stream === stream) this.#again();
    };
    for (const action of ACTIONS) stream.addEventListener(action, (message) => this.#hear(message));
  }

  /** A hub whose database was put back counts on from there: where it does not know what was heard, begin anew. */
  async #check(stream, { seq, at }) {
    const found = await this.client.get(`/events?after=${seq - 1}&limit=1`).catch(() => null);
    const [known] = found?.items ?? [{ seq, at }];
    if (this.stream !== stream || (known?.seq === seq && known.at === at)) return;
    this.#rest();
    this.last = null;
    this.#connect();
  }

  #hear(message) {
    const event = JSON.parse(message.data);
    if (this.last !== null && event.seq <= this.last.seq) return;
    this.last = { seq: event.seq, at: event.at };
    for (const listener of this.listeners) listener(event);
  }

  #again() {
    this.tried = true;
    this.stream = null;
    this.#tell(false);
    if (this.stopped) return;
    this.later(() => !this.stopped && !this.stream && this.#connect(), this.wait);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
  }

  #tell(connected, missed = false) {
    if (connected === this.connected && !missed) return;
    this.connected = connected;
    for (const listener of this.stateListeners) listener(connected, missed);
  }
}

export const ACTIONS = [
  ...["chain.created", "chain.started", "chain.updated", "chain.deleted", "chain.undeleted"],
  ...["chain.purged", "chain.emptied"],
  ...["workflow.created", "workflow.updated", "workflow.current_changed", "attempt.created", "attempt.updated"],
  ...["artifact.recorded", "artifact.edited", "artifact.restored", "artifact.approved", "artifact.rejected"],
  ...["artifact.review_requested", "artifact.selected", "artifact.head_changed", "artifact.deleted"],
  ...["artifact.undeleted", "artifact.purged", "artifact.tagged", "artifact.untagged"],
  ...["transfer.created", "transfer.updated"],
  ...["chain.imported", "workflow.imported", "attempt.imported", "artifact.imported", "transfer.imported"],
  "recording.switched",
];
