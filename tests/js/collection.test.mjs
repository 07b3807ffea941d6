import assert from "node:assert/strict";
import { test } from "node:test";
import { belongs, Collection } from "../../web/js/panel/collection.mjs";
import { artifact, paging } from "./making.mjs";

const ids = (collection) => collection.items.map((one) => one.id);

test("pages are added until there are no more", async () => {
  const all = Array.from({ length: 7 }, () => artifact()).reverse();
  const collection = new Collection(paging(all));
  await collection.show({});
  await collection.more();
  await collection.more();
  await collection.more();
  assert.deepEqual(ids(collection), all.map((one) => one.id));
  assert.equal(collection.complete, true);
});

test("a page that overlaps what came in between adds nothing twice", async () => {
  const all = Array.from({ length: 6 }, () => artifact()).reverse();
  const client = paging(all);
  const collection = new Collection(client);
  await collection.show({});
  const fresh = artifact();
  client.all.unshift(fresh);
  collection.update(fresh);
  await collection.more();
  assert.equal(new Set(ids(collection)).size, collection.items.length);
  assert.equal(collection.items[0].id, fresh.id);
});

test("a change redraws one artifact and nothing else", async () => {
  const all = [artifact(), artifact()].reverse();
  const told = [];
  const collection = new Collection(paging(all), { onchange: (...what) => told.push(what) });
  await collection.show({});
  told.length = 0;
  collection.update({ ...all[1], approval_status: "approved" });
  assert.deepEqual(told, [["one", all[1].id]]);
  assert.equal(collection.get(all[1].id).approval_status, "approved");
});

test("a decision takes an artifact off the list of what waits", async () => {
  const all = [artifact(), artifact()];
  const collection = new Collection(paging(all));
  await collection.show({ queue: true });
  collection.update({ ...all[0], approval_status: "approved" });
  assert.deepEqual(ids(collection), [all[1].id]);
  assert.equal(collection.indexOf(all[1].id), 0);
});

test("one that comes back from the trash finds its old place", async () => {
  const all = [artifact(), artifact(), artifact()].reverse();
  const collection = new Collection(paging(all));
  await collection.show({});
  const middle = all[1];
  collection.update({ ...middle, deleted_at: "2026-11-22T00:00:00.000Z" });
  assert.equal(collection.get(middle.id), undefined);
  collection.update(middle);
  assert.deepEqual(ids(collection), all.map((one) => one.id));
});

test("an answer to an older question is not shown", async () => {
  const answers = [];
  const client = { artifacts: (filters) => new Promise((resolve) => answers.push({ filters, resolve })) };
  const collection = new Collection(client);
  const first = collection.show({ status: "pending" });
  const second = collection.show({ status: "rejected" });
  const right = artifact({ approval_status: "rejected" });
  answers[1].resolve({ items: [right], next_cursor: null });
  answers[0].resolve({ items: [artifact()], next_cursor: null });
  await Promise.all([first, second]);
  assert.deepEqual(ids(collection), [right.id]);
});

test("an error is kept until the list is asked for again", async () => {
  let fails = true;
  const client = {
    async artifacts() {
      if (fails) throw new Error("away");
      return { items: [], next_cursor: null };
    },
  };
  const collection = new Collection(client);
  await collection.show({});
  assert.equal(collection.error.message, "away");
  fails = false;
  await collection.reload();
  assert.equal(collection.error, null);
});

test("filters that the artifact does not tell of are left to the hub", () => {
  assert.equal(belongs(artifact(), { chain: "film" }), null);
  assert.equal(belongs(artifact(), { status: "approved", chain: "film" }), false);
  assert.equal(belongs(artifact({ tags: ["red"] }), { tag: "red" }), true);
  assert.equal(belongs(artifact({ deleted_at: "x" }), {}), false);
});

test("the trash shows what was deleted last first, each for itself, until it is taken out", async () => {
  const at = (second) => ({ deleted_at: `2026-11-22T00:00:0${second}.000Z` });
  const [old, first] = [artifact(), artifact(at(3))];
  const second = artifact({ ...at(2), output_key: first.output_key, version: 2 });
  const collection = new Collection(paging([first, second]));
  await collection.show({ trash: true });
  assert.deepEqual(ids(collection), [first.id, second.id]);
  collection.update({ ...old, ...at(9), revision: 2 });
  assert.deepEqual(ids(collection), [old.id, first.id, second.id]);
  collection.update({ ...first, deleted_at: null, revision: 2 });
  assert.deepEqual(ids(collection), [old.id, second.id]);
});

test("versions of an output are one stack, and the one below comes up when the top goes", async () => {
  const first = artifact();
  const second = artifact({ output_key: first.output_key, version: 2 });
  const collection = new Collection(paging([second, first]));
  await collection.show({});
  assert.deepEqual(ids(collection), [second.id]);
  assert.equal(collection.get(first.id), first);
  collection.update({ ...second, deleted_at: "2026-11-22T00:00:00.000Z" });
  assert.deepEqual(ids(collection), [first.id]);
});

test("what was heard while a page was on its way outranks the page", async () => {
  const old = artifact({ revision: 1 });
  const answers = [];
  const client = { artifacts: () => new Promise((resolve) => answers.push(resolve)) };
  const collection = new Collection(client);
  const shown = collection.show({});
  collection.update({ ...old, revision: 2, approval_status: "rejected" });
  answers[0]({ items: [old], next_cursor: null });
  await shown;
  assert.equal(collection.get(old.id).approval_status, "rejected");
  collection.update(old);
  assert.equal(collection.get(old.id).revision, 2, "an answer that comes late changes nothing");
});

test("whether a version still waits once a newer one does, the hub says", async () => {
  const first = artifact();
  const client = paging([first]);
  const collection = new Collection(client);
  await collection.show({ queue: true });
  const second = artifact({ output_key: first.output_key, version: 2 });
  client.all.splice(0, 1, second);
  collection.update(second);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(ids(collection), [second.id]);
  assert.equal(client.asked.at(-1).filters.workflow, first.workflow_id);
});

test("asking anew brings back as much as was there", async () => {
  const all = Array.from({ length: 9 }, () => artifact()).reverse();
  const collection = new Collection(paging(all));
  await collection.show({});
  await collection.more();
  await collection.more();
  await collection.reload();
  assert.equal(collection.items.length, 9);
});
