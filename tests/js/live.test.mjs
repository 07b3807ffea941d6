import assert from "node:assert/strict";
import { test } from "node:test";
import { Live } from "../../web/js/panel/live.mjs";

/** Stands in for the browser's EventSource, of which node has none. */
class Source {
  static opened = [];

  constructor(url) {
    this.url = url;
    this.heard = {};
    Source.opened.push(this);
  }

  addEventListener(name, listener) {
    this.heard[name] = listener;
  }

  send(seq, action = "artifact.approved") {
    this.heard[action]({ data: JSON.stringify({ seq, action }) });
  }

  close() {
    this.closed = true;
  }
}

const client = { url: (path) => path };
const soon = () => new Promise((resolve) => setImmediate(resolve));

async function started() {
  Source.opened.length = 0;
  const waits = [];
  const live = new Live(client, { source: Source, later: (call, wait) => waits.push({ call, wait }) });
  const heard = [];
  live.listen((event) => heard.push(event.seq));
  live.start();
  await soon();
  return { live, heard, waits };
}

test("a stream that has heard nothing says that something may have been missed", async () => {
  const { live } = await started();
  const states = [];
  live.watchConnection((...state) => states.push(state));
  assert.equal(Source.opened[0].url, "/events");
  Source.opened[0].onopen();
  assert.deepEqual(states, [[true, true]]);
});

test("a lost stream is resumed after the last event that was heard, and nothing was missed", async () => {
  const { live, heard, waits } = await started();
  const states = [];
  Source.opened[0].onopen();
  Source.opened[0].send(8);
  Source.opened[0].send(9);
  live.watchConnection((...state) => states.push(state));
  Source.opened[0].onerror();
  waits[0].call();
  await soon();
  assert.equal(Source.opened[1].url, "/events?after=9");
  Source.opened[1].onopen();
  Source.opened[1].send(9);
  Source.opened[1].send(10);
  assert.deepEqual(heard, [8, 9, 10]);
  assert.deepEqual(states, [
    [false, false],
    [true, false],
  ]);
});

test("the waits between tries grow, and shrink once it is connected", async () => {
  const { waits, live } = await started();
  for (let turn = 0; turn < 8; turn += 1) {
    Source.opened.at(-1).onerror();
    waits.at(-1).call();
    await soon();
  }
  assert.deepEqual(waits.slice(0, 3).map((one) => one.wait), [500, 1000, 2000]);
  assert.equal(waits.at(-1).wait, 15000);
  Source.opened.at(-1).onopen();
  Source.opened.at(-1).onerror();
  assert.equal(waits.at(-1).wait, 500);
  live.stop();
});

test("whoever watches hears once that the connection is lost, and once that it is back", async () => {
  const { live } = await started();
  const states = [];
  live.watchConnection((state) => states.push(state));
  Source.opened[0].onopen();
  Source.opened[0].onerror();
  Source.opened[0].onerror();
  assert.deepEqual(states, [true, false]);
});
