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
    this.heard[action]({ data: JSON.stringify({ seq, action, at: `at ${seq}` }) });
  }

  close() {
    this.closed = true;
  }
}

/** Knows every event that was sent, unless `forgets` says since which number it does not. */
const client = {
  forgets: Infinity,
  url: (path) => path,
  async get(path) {
    const seq = Number(path.match(/after=(\d+)/)[1]) + 1;
    return { items: seq < this.forgets ? [{ seq, at: `at ${seq}` }] : [] };
  },
};

/** A document that is seen or not. */
class Page extends EventTarget {
  hidden = false;

  turn(hidden) {
    this.hidden = hidden;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}
const soon = () => new Promise((resolve) => setImmediate(resolve));

async function started(page = new Page()) {
  Source.opened.length = 0;
  client.forgets = Infinity;
  const waits = [];
  const live = new Live(client, { source: Source, page, later: (call, wait) => waits.push({ call, wait }) });
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

test("a page that nobody sees holds no stream, and goes on after what it heard last when it is seen", async () => {
  const page = new Page();
  const { live, heard } = await started(page);
  const states = [];
  Source.opened[0].onopen();
  Source.opened[0].send(8);
  live.watchConnection((...state) => states.push(state));
  page.turn(true);
  assert.equal(Source.opened[0].closed, true);
  live.retry();
  assert.equal(Source.opened.length, 1);
  page.turn(false);
  assert.equal(Source.opened[1].url, "/events?after=8");
  Source.opened[1].onopen();
  Source.opened[1].send(9);
  assert.deepEqual(heard, [8, 9]);
  assert.deepEqual(states, []);
});

test("a page that had heard nothing before it was hidden says that something may have been missed", async () => {
  const page = new Page();
  const { live } = await started(page);
  const states = [];
  Source.opened[0].onopen();
  live.watchConnection((...state) => states.push(state));
  page.turn(true);
  page.turn(false);
  Source.opened[1].onopen();
  assert.deepEqual(states, [[true, true]]);
});

test("a try that was put off is not made while nobody sees the page", async () => {
  const page = new Page();
  const { waits } = await started(page);
  Source.opened[0].onerror();
  page.turn(true);
  waits[0].call();
  assert.equal(Source.opened.length, 1);
  page.turn(false);
  assert.equal(Source.opened.length, 2);
});

test("a hub that does not know what was heard last is heard from anew", async () => {
  const { live, heard, waits } = await started();
  const states = [];
  Source.opened[0].onopen();
  Source.opened[0].send(9);
  Source.opened[0].onerror();
  live.watchConnection((...state) => states.push(state));
  client.forgets = 5;
  waits[0].call();
  Source.opened[1].onopen();
  await soon();
  assert.equal(Source.opened[1].closed, true);
  assert.equal(Source.opened[2].url, "/events");
  Source.opened[2].onopen();
  Source.opened[2].send(5);
  assert.deepEqual(heard, [9, 5]);
  assert.deepEqual(states, [[true, false], [true, true]]);
});
