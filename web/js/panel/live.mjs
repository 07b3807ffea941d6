/**
 * Owns hearing of changes: one stream of events for the page, resumed where it broke off, so that none is missed.
 */

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15000;

export class Live {
  /**
   * @param {import("./client.mjs").Client} client
   * @param {{source?: typeof EventSource, later?: typeof setTimeout}} [tools] replaced in tests
   */
  constructor(client, { source = globalThis.EventSource, later = (...given) => setTimeout(...given) } = {}) {
    this.client = client;
    this.Source = source;
    this.later = later;
    this.seq = null;
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
    this.stream?.close();
    this.stream = null;
  }

  #connect() {
    // Without a number a stream begins with the next event.
    const from = this.seq;
    const stream = new this.Source(this.client.url(from === null ? "/events" : `/events?after=${from}`));
    this.stream = stream;
    stream.onopen = () => {
      this.wait = FIRST_WAIT;
      this.#tell(true, from === null);
    };
    stream.onerror = () => {
      // The browser would resume by itself, but gives up for good when the server answers with an error.
      stream.close();
      if (this.stream === stream) this.#again();
    };
    for (const action of ACTIONS) stream.addEventListener(action, (message) => this.#hear(message));
  }

  #hear(message) {
    const event = JSON.parse(message.data);
    if (this.seq !== null && event.seq <= this.seq) return;
    this.seq = event.seq;
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
    if (connected === this.connected) return;
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
