import assert from "node:assert/strict";
import { test } from "node:test";
import { ChainPages } from "../../web/js/panel/chain_pages.mjs";
import { lasted } from "../../web/js/panel/words.mjs";

const chain = (number, more = {}) => ({ id: `c${String(number).padStart(3, "0")}`, started_at: String(1000 + number), deleted_at: null, ...more });

/** Answers as the hub does, the newest first, in pages of `size`. */
function hub(all, size = 3) {
  const asked = [];
  return {
    all,
    asked,
    async chains(filters, { cursor } = {}) {
      asked.push(filters);
      const ids = filters.ids?.split(",");
      const fits = this.all.filter((one) => (!ids || ids.includes(one.id)) && (!filters.status || one.status === filters.status));
      const start = Number(cursor ?? 0);
      const more = !ids && start + size < fits.length;
      return { items: ids ? fits : fits.slice(start, start + size), next_cursor: more ? String(start + size) : null };
    },
  };
}
const ids = (pages) => pages.items.map(({ id }) => id);

test("pages follow each other until there are no more", async () => {
  const client = hub([5, 4, 3, 2, 1].map((number) => chain(number)));
  const pages = new ChainPages(client);
  await pages.show({});
  assert.deepEqual(ids(pages), ["c005", "c004", "c003"]);
  await pages.more();
  assert.equal(pages.complete, true);
  await pages.more();
  assert.deepEqual(ids(pages), ["c005", "c004", "c003", "c002", "c001"]);
  assert.equal(client.asked.length, 2);
});

test("one that changed is asked for alone; one that is new comes to its place; one that is gone goes", async () => {
  const client = hub([3, 2, 1].map((number) => chain(number)));
  const pages = new ChainPages(client);
  await pages.show({});
  client.all = [chain(4), chain(3, { name: "changed" }), chain(1)];
  await pages.renew(["c004", "c003", "c002"]);
  assert.deepEqual(ids(pages), ["c004", "c003", "c001"]);
  assert.equal(pages.get("c003").name, "changed");
  assert.equal(client.asked.at(-1).ids, "c004,c003,c002");
});

test("what is older than all that is there comes with a later page", async () => {
  const client = hub([9, 8, 7, 2, 1].map((number) => chain(number)));
  const pages = new ChainPages(client);
  await pages.show({});
  await pages.renew(["c001"]);
  assert.deepEqual(ids(pages), ["c009", "c008", "c007"]);
});

test("with a filter, one that fits no more leaves the list", async () => {
  const client = hub([chain(2, { status: "failed" }), chain(1, { status: "failed" })]);
  const pages = new ChainPages(client);
  await pages.show({ status: "failed" });
  client.all = [chain(2, { status: "completed" }), chain(1, { status: "failed" })];
  await pages.renew(["c002"]);
  assert.deepEqual(ids(pages), ["c001"]);
});

test("an answer that comes after the list is another one is not taken", async () => {
  const client = hub([chain(2), chain(1)]);
  const pages = new ChainPages(client);
  const first = pages.show({});
  client.all = [chain(7)];
  await Promise.all([pages.show({}), first]);
  assert.deepEqual(ids(pages), ["c007"]);
});

/** Holds the answers back until they are let go, in any order. */
function held(client) {
  const letGo = [];
  const { chains } = client;
  client.chains = async (...asked) => {
    const answer = await chains.apply(client, asked);
    await new Promise((resolve) => letGo.push(resolve));
    return answer;
  };
  return letGo;
}
const soon = () => new Promise((resolve) => setImmediate(resolve));

test("of two answers about a chain the one that was asked for last holds, in whatever order they come", async () => {
  const client = hub([chain(2, { status: "executing" }), chain(1)]);
  const pages = new ChainPages(client);
  await pages.show({});
  const letGo = held(client);
  const first = pages.renew(["c002", "c001"]);
  await soon();
  client.all = [chain(2, { status: "completed" }), chain(1, { status: "failed" })];
  const second = pages.renew(["c002"]);
  await soon();
  letGo[1]();
  await second;
  letGo[0]();
  await first;
  assert.equal(pages.get("c002").status, "completed");
  client.all = [chain(1)];
  const third = pages.renew(["c002"]);
  await soon();
  letGo[2]();
  await third;
  assert.deepEqual(ids(pages), ["c001"]);
});

test("a page that was on its way does not undo what is asked for after it", async () => {
  const client = hub([chain(2, { status: "executing" }), chain(1)]);
  const pages = new ChainPages(client);
  const letGo = held(client);
  const shown = pages.show({});
  await soon();
  client.all = [chain(2, { status: "completed" }), chain(1)];
  const renewed = pages.renew(["c002"]);
  await soon();
  letGo[1]?.();
  letGo[0]();
  await shown;
  await soon();
  letGo[1]();
  await renewed;
  assert.equal(pages.get("c002").status, "completed");
});

test("an error is kept until the list is asked for anew", async () => {
  const client = hub([chain(1)]);
  const pages = new ChainPages({ chains: async () => Promise.reject(new Error("away")) });
  await pages.show({});
  assert.equal(pages.error.message, "away");
  pages.client = client;
  await pages.reload();
  assert.equal(pages.error, null);
  assert.deepEqual(ids(pages), ["c001"]);
});

test("how long something took is told as a clock has it", () => {
  const from = "2026-11-25T10:00:00.000Z";
  const after = (seconds) => lasted(from, new Date(Date.parse(from) + seconds * 1000).toISOString());
  assert.deepEqual([0, 0.9, 1, 7, 754, 3723, 183840].map(after), ["< 1 s", "< 1 s", "0:01", "0:07", "12:34", "1:02:03", "2 d 03:04"]);
  assert.equal(after(-5), "< 1 s");
});
