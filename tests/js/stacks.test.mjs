import assert from "node:assert/strict";
import { test } from "node:test";
import { Collection } from "../../web/js/panel/collection.mjs";
import { placeInBatch } from "../../web/js/panel/stacks.mjs";
import { ending } from "../../web/js/panel/words.mjs";
import { artifact, paging } from "./making.mjs";

const ids = (collection) => collection.items.map((one) => one.id);

/** Pictures of one node in one run, newest first as the hub has them. */
function batch(count, changes = {}) {
  const made = Array.from({ length: count }, (_, at) => artifact({ node_id: "9", output_key: `9:images:${at}`, ...changes }));
  return made.reverse();
}

async function shown(all, filters = {}, onchange = () => {}) {
  const collection = new Collection(paging(all, 100), { onchange });
  await collection.show(filters);
  return collection;
}

test("a batch is one stack, seen as its first picture until one of it is offered", async () => {
  const four = batch(4);
  const other = artifact();
  const collection = await shown([...four, other]);
  assert.deepEqual(ids(collection), [four.at(-1).id, other.id]);
  assert.equal(collection.stacks.size(0), 4);
  collection.update({ ...four[1], is_latest: true, revision: 2 });
  assert.deepEqual(ids(collection), [four[1].id, other.id]);
});

test("each of a batch leads to its stack", async () => {
  const four = batch(4);
  const collection = await shown([artifact(), ...four]);
  assert.deepEqual(four.map((one) => collection.indexOf(one.id)), [1, 1, 1, 1]);
});

test("where each is decided on, each stands for itself", async () => {
  const collection = await shown(batch(3), { queue: true });
  assert.equal(collection.items.length, 3);
});

test("what was uploaded is no batch, nor are the nodes of one run, nor the runs of one node", async () => {
  const uploads = [0, 1].map((at) => artifact({ output_key: `upload:images:${at}` }));
  const nodes = ["8", "9"].map((node_id) => artifact({ node_id, output_key: `${node_id}:images:0` }));
  const runs = ["a", "b"].map((workflow_id) => artifact({ workflow_id, node_id: "9", output_key: "9:images:0" }));
  const collection = await shown([...uploads, ...nodes, ...runs]);
  assert.equal(collection.items.length, 6);
});

test("an edit of one of a batch lies on top of what it edits, within the batch", async () => {
  const four = batch(4);
  const edit = artifact({ node_id: "9", output_key: four[2].output_key, version: 2 });
  const collection = await shown([edit, ...four]);
  assert.equal(collection.items.length, 1);
  assert.equal(collection.stacks.size(0), 4);
  assert.equal(collection.indexOf(four[2].id), 0);
});

test("a change to what lies in a stack redraws the one cell that is seen of it", async () => {
  const told = [];
  const four = batch(4);
  const collection = await shown(four, {}, (...what) => told.push(what));
  told.length = 0;
  collection.update({ ...four[0], approval_status: "approved", revision: 2 });
  assert.deepEqual(told, [["one", four.at(-1).id]]);
});

test("a page in the middle of a batch adds to its stack", async () => {
  const four = batch(4);
  const collection = new Collection(paging(four, 3));
  await collection.show({});
  assert.equal(collection.stacks.size(0), 3);
  await collection.more();
  assert.equal(collection.stacks.size(0), 4);
  assert.deepEqual(ids(collection), [four.at(-1).id]);
});

test("the place in a batch is counted from one, also for the outputs of a subgraph's nodes", () => {
  assert.equal(placeInBatch({ output_key: "12:9:images:0" }), 1);
  assert.equal(placeInBatch({ output_key: "12:9:images:11" }), 12);
});

test("the end of a long name is kept whole", () => {
  assert.equal(ending("shot.png"), "");
  assert.equal(ending("a_very_long_name_00012_.png"), "00012_.png");
  assert.equal(ending("a very long name without a dot"), "a dot".padStart(6, " "));
  assert.equal(ending("aaaaaaaaaa😀12345.png"), "12345.png");
});
