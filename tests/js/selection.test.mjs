import assert from "node:assert/strict";
import { test } from "node:test";
import { Actions } from "../../web/js/panel/actions.mjs";
import { Collection } from "../../web/js/panel/collection.mjs";
import { tagsOf } from "../../web/js/panel/selected.mjs";
import { Selection } from "../../web/js/panel/selection.mjs";
import { split } from "../../web/js/panel/tags.mjs";
import { artifact, paging } from "./making.mjs";

async function listing(all, filters = {}) {
  let told = 0;
  const collection = new Collection(paging(all, 100), { onchange: (kind) => kind !== "one" && selection.settle() });
  const selection = new Selection(collection, () => (told += 1));
  await collection.show(filters);
  return { collection, selection, told: () => told };
}

const ids = (selection) => selection.artifacts.map(({ id }) => id);

test("a cell is selected and no longer, and the order is the list's", async () => {
  const all = [artifact(), artifact(), artifact()].reverse();
  const { selection } = await listing(all);
  selection.toggle(2);
  selection.toggle(0);
  assert.deepEqual(ids(selection), [all[0].id, all[2].id]);
  selection.toggle(2);
  assert.deepEqual(ids(selection), [all[0].id]);
  assert.equal(selection.has(0), true);
  assert.equal(selection.has(2), false);
});

test("a range goes both ways from where it began, and adds to what is selected", async () => {
  const all = Array.from({ length: 6 }, () => artifact()).reverse();
  const { selection } = await listing(all);
  selection.toggle(5);
  selection.toggle(2);
  selection.extend(3, 0);
  assert.deepEqual(ids(selection), [2, 3, 5].map((at) => all[at].id));
  selection.extend(0, 0);
  assert.deepEqual(ids(selection), [0, 1, 2, 3, 5].map((at) => all[at].id));
  selection.clear();
  selection.extend(4, 3);
  assert.deepEqual(ids(selection), [3, 4].map((at) => all[at].id), "without a beginning it begins where somebody was");
});

test("a batch is all its pictures, of each the newest version", async () => {
  const [first, second] = [0, 1].map((at) => artifact({ node_id: "9", output_key: `9:images:${at}` }));
  const edited = artifact({ node_id: "9", output_key: first.output_key, version: 2 });
  const other = artifact({ workflow_id: "another" });
  const { selection } = await listing([other, edited, second, first]);
  selection.toggle(1);
  assert.deepEqual(new Set(ids(selection)), new Set([edited.id, second.id]));
});

test("what leaves the list is not selected any more, and what comes in moves nothing", async () => {
  const all = [artifact(), artifact(), artifact()].reverse();
  const { collection, selection, told } = await listing(all);
  selection.all();
  assert.equal(selection.artifacts.length, 3);
  const before = told();
  collection.update({ ...all[1], deleted_at: "2026-11-22T00:00:00.000Z", revision: 2 });
  assert.deepEqual(ids(selection), [all[0].id, all[2].id]);
  assert.ok(told() > before);
  const fresh = artifact();
  collection.update(fresh);
  assert.deepEqual(ids(selection), [all[0].id, all[2].id]);
  assert.equal(selection.has(0), false);
  await collection.show({ status: "rejected" });
  assert.equal(selection.artifacts.length, 3 - 1, "they are in the new list as well");
  collection.client.all.length = 0;
  await collection.show({ status: "approved" });
  assert.deepEqual(ids(selection), []);
});

test("the tags of what is selected are counted, what most of them have first", () => {
  const some = [artifact({ tags: ["Hero", "dusk"] }), artifact({ tags: ["dusk", "draft"] })];
  assert.deepEqual(tagsOf(some), [
    { tag: "dusk", count: 2 },
    { tag: "Hero", count: 1 },
    { tag: "draft", count: 1 },
  ]);
  assert.deepEqual(tagsOf(some, "HE").map(({ tag }) => tag), ["Hero"]);
});

test("a comma ends a tag", () => {
  assert.deepEqual(split(" hero, night shot,,hero ,"), ["hero", "night shot"]);
  assert.deepEqual(split(" , "), []);
});

function tagging({ fails = () => false } = {}) {
  const asked = [];
  const said = [];
  const client = {
    async changeTags(named, change) {
      if (fails(asked.length)) throw new TypeError("away");
      asked.push({ ids: named, change });
      return { items: named.map((id) => ({ id, status: id.startsWith("gone") ? 404 : 200, tags: [] })) };
    },
    artifact: async (id) => artifact({ id, filename: undefined, version: undefined }),
  };
  const t = (key, values) => `${key} ${JSON.stringify(values ?? {})}`;
  const actions = new Actions(client, { t, who: () => "anna", notify: (...one) => said.push(one), changed: () => {} });
  return { actions, asked, said };
}

test("many are tagged in requests of 500, and what is gone is not counted", async () => {
  const { actions, asked, said } = tagging();
  const many = Array.from({ length: 1001 }, () => artifact());
  await actions.tagAll([...many, artifact({ id: "gone" })], ["hero"], true);
  assert.deepEqual(asked.map(({ ids: named }) => named.length), [500, 500, 2]);
  assert.deepEqual(asked[0].change, { add: ["hero"] });
  assert.equal(said[0][1], 'done.tagged_all {"n":1001,"tag":"hero"}');
});

test("taken back, a tag stays on what had it before", async () => {
  const { actions, asked } = tagging();
  const [had, had_not] = [artifact({ tags: ["hero"] }), artifact()];
  await actions.tagAll([had, had_not], ["hero"], true);
  await actions.undo();
  assert.deepEqual(asked.at(-1), { ids: [had_not.id], change: { remove: ["hero"] } });
  await actions.tagAll([had, had_not], ["hero"], false);
  await actions.undo();
  assert.deepEqual(asked.at(-1), { ids: [had.id], change: { add: ["hero"] } });
});

test("tags that a hub did not take back are taken back when it is there again", async () => {
  let away = false;
  const { actions, asked, said } = tagging({ fails: () => away });
  const one = artifact();
  await actions.tagAll([one], ["hero"], true);
  away = true;
  await actions.undo();
  assert.equal(said.at(-1)[0], "error");
  away = false;
  await actions.undo();
  assert.deepEqual(asked.at(-1), { ids: [one.id], change: { remove: ["hero"] } });
});

test("a hub that goes away half-way is told as that", async () => {
  const { actions, said } = tagging({ fails: (requests) => requests === 1 });
  await actions.tagAll(Array.from({ length: 600 }, () => artifact()), ["hero"], true);
  assert.equal(said[0][0], "error");
  assert.match(said[0][1], /^failed\.in_part .*"done":500,"n":600/);
  assert.equal(actions.undone, null);
});

test("two tags may be put on at once, the same one only once", async () => {
  const { actions, asked } = tagging();
  const one = artifact();
  await Promise.all([actions.tag(one, ["hero"]), actions.tag(one, ["dusk"]), actions.tag(one, ["hero"])]);
  assert.deepEqual(asked.map(({ change }) => change), [{ add: ["hero"] }, { add: ["dusk"] }]);
});

test("what was entered at once is taken back at once", async () => {
  const { actions, asked, said } = tagging();
  const [one, other] = [artifact(), artifact({ tags: ["hero"] })];
  await actions.tag(one, ["hero", "dusk"]);
  assert.equal(said[0][1], 'done.tagged {"tag":"hero, dusk"}');
  await actions.undo();
  assert.deepEqual(asked.at(-1), { ids: [one.id], change: { remove: ["hero", "dusk"] } });
  asked.length = 0;
  await actions.tagAll([one, other], ["hero", "dusk"], true);
  await actions.undo();
  assert.deepEqual(asked.map(({ ids, change }) => [ids.length, change]), [
    [2, { add: ["hero", "dusk"] }],
    [1, { remove: ["hero"] }],
    [2, { remove: ["dusk"] }],
  ]);
});

test("a page of a search that is empty and not the last is followed, at first and later", async () => {
  const [one, two] = [artifact(), artifact()].reverse();
  const pages = [[], [], [one], [], [two], []];
  const client = {
    asked: [],
    async artifacts(filters, { cursor }) {
      client.asked.push(cursor);
      const at = Number(cursor ?? 0);
      return { items: pages[at], next_cursor: at + 1 < pages.length ? String(at + 1) : null };
    },
  };
  const collection = new Collection(client);
  await collection.show({ q: "castle" });
  assert.deepEqual(collection.items, [one]);
  assert.equal(collection.complete, false);
  await collection.more();
  assert.deepEqual(collection.items, [one, two]);
  await collection.more();
  assert.equal(collection.complete, true);
  assert.deepEqual(client.asked, [null, "1", "2", "3", "4", "5"]);
});

test("what comes in while somebody searches stands before what the hub has ranked", async () => {
  const [old, best, fresh] = [artifact(), artifact(), artifact()];
  const collection = new Collection({
    async artifacts({ workflow }) {
      return { items: workflow ? [fresh] : [best, old], next_cursor: workflow ? "1" : null };
    },
  });
  await collection.show({ q: "castle" });
  collection.update({ ...fresh, workflow_id: "another" });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(collection.items.map(({ id }) => id), [fresh, best, old].map(({ id }) => id));
});

test("empty pages are no longer followed once something else is asked for", async () => {
  const answers = [];
  const client = { artifacts: (filters) => new Promise((resolve) => answers.push({ filters, resolve })) };
  const collection = new Collection(client);
  const first = collection.show({ q: "castle" });
  const second = collection.show({ q: "river" });
  answers[0].resolve({ items: [], next_cursor: "1" });
  answers[1].resolve({ items: [], next_cursor: null });
  await Promise.all([first, second]);
  assert.deepEqual(answers.map(({ filters }) => filters.q), ["castle", "river"]);
});

test("whether a match of a search belongs here is looked for past its empty pages", async () => {
  const found = artifact();
  const client = {
    async artifacts(filters, { cursor }) {
      if (!filters.workflow) return { items: [], next_cursor: null };
      return cursor === "1" ? { items: [found], next_cursor: null } : { items: [], next_cursor: "1" };
    },
  };
  const collection = new Collection(client);
  await collection.show({ q: "castle" });
  collection.update(found);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(collection.items, [found]);
});
