import assert from "node:assert/strict";
import { test } from "node:test";
import { Actions } from "../../web/js/panel/actions.mjs";
import { Client, Problem } from "../../web/js/panel/client.mjs";
import { artifact } from "./making.mjs";

function acting(client) {
  const told = [];
  const changed = [];
  const actions = new Actions(client, {
    t: (key) => key,
    who: () => "anna",
    notify: (...said) => told.push(said),
    changed: (now) => changed.push(now),
  });
  return { actions, told, changed };
}

test("a double click is one decision", async () => {
  let calls = 0;
  const client = {
    async approve(one) {
      calls += 1;
      return { ...one, approval_status: "approved" };
    },
  };
  const { actions } = acting(client);
  const one = artifact();
  await Promise.all([actions.approve(one), actions.approve(one)]);
  assert.equal(calls, 1);
});

test("what somebody else decided meanwhile is shown, and the action is not", async () => {
  const theirs = artifact({ approval_status: "rejected" });
  const client = {
    async approve() {
      throw new Problem(409, { detail: "bob has decided already", code: "conflict", artifact: theirs });
    },
  };
  const { actions, told, changed } = acting(client);
  assert.equal(await actions.approve(artifact()), null);
  assert.deepEqual(changed, [theirs]);
  assert.deepEqual(told[0].slice(0, 2), ["error", "bob has decided already"]);
});

test("a stale decision asks for what is there now", async () => {
  const client = {
    async approve() {
      throw new Problem(412, { detail: "revision 3", code: "stale_revision" });
    },
  };
  const { actions, told } = acting(client);
  let asked = 0;
  actions.onstale = () => (asked += 1);
  await actions.approve(artifact());
  assert.equal(asked, 1);
  assert.equal(told[0][1], "failed.stale");
});

test("a deletion can be undone, once", async () => {
  const calls = [];
  const client = {
    async remove(one) {
      calls.push("remove");
      return { ...one, deleted_at: "now" };
    },
    async undelete(id) {
      calls.push("undelete");
      return artifact({ id });
    },
  };
  const { actions } = acting(client);
  await actions.remove(artifact());
  await actions.undo();
  await actions.undo();
  assert.deepEqual(calls, ["remove", "undelete"]);
});

test("a decision names the bytes and the revision that were seen", async () => {
  const sent = [];
  const client = new Client("/artifact-db", async (url, options) => {
    sent.push({ url, ...options });
    return new Response(JSON.stringify(artifact()), { status: 200 });
  });
  const one = artifact({ revision: 4 });
  await client.approve(one, "anna");
  assert.equal(sent[0].headers["If-Match"], '"4"');
  assert.deepEqual(JSON.parse(sent[0].body), { sha256: one.sha256, approved_by: "anna" });
});

test("links work wherever the routes are mounted", () => {
  const client = new Client("/api/artifact-db");
  assert.equal(client.link("/artifact-db/artifacts/x/download"), "/api/artifact-db/artifacts/x/download");
});

test("an error that is not JSON is still an error that says its status", async () => {
  const client = new Client("", async () => new Response("<html>", { status: 502 }));
  await assert.rejects(client.get("/x"), (error) => error instanceof Problem && error.status === 502);
});

/** Which calls take an approval back, of an artifact that was in some state. */
async function takenBack(before) {
  const calls = [];
  const client = {
    approve: async (one) => ({ ...one, approval_status: "approved" }),
    async askAgain(one) {
      calls.push("ask again");
      return one;
    },
    async reject(one, reason) {
      calls.push(`reject: ${reason}`);
      return one;
    },
  };
  const { actions, told } = acting(client);
  await actions.approve(artifact(before));
  const offered = Boolean(told[0][2]);
  await actions.undo();
  assert.equal(offered, calls.length > 0);
  return calls;
}

test("an approval is taken back to what was before, or not at all", async () => {
  assert.deepEqual(await takenBack({ approval_status: "pending" }), ["ask again"]);
  assert.deepEqual(await takenBack({ approval_status: "rejected", rejection_reason: "too dark" }), ["reject: too dark"]);
  for (const approval_status of ["auto_approved", "edited", "approved"]) assert.deepEqual(await takenBack({ approval_status }), []);
});

test("what the hub did not hear of is taken back when it is there again", async () => {
  let away = true;
  const client = {
    approve: async (one) => ({ ...one, approval_status: "approved" }),
    async askAgain(one) {
      if (away) throw new TypeError("away");
      return { ...one, approval_status: "pending" };
    },
  };
  const { actions, told, changed } = acting(client);
  await actions.approve(artifact());
  await actions.undo();
  assert.equal(told.at(-1)[1], "failed.away");
  away = false;
  await actions.undo();
  assert.equal(changed.at(-1).approval_status, "pending");
});

test("versions, histories and batches are read to their end", async () => {
  const all = Array.from({ length: 1100 }, (_, at) => at);
  const asked = [];
  const client = new Client("", async (url) => {
    const { pathname, searchParams } = new URL(url, "http://hub");
    asked.push(pathname);
    const [from, limit] = [Number(searchParams.get("cursor") ?? 0), Number(searchParams.get("limit"))];
    const next = from + limit < all.length ? String(from + limit) : null;
    return new Response(JSON.stringify({ items: all.slice(from, from + limit), next_cursor: next }));
  });
  for (const read of ["versions", "history", "heads", "currents"]) assert.deepEqual((await client[read]("x")).items, all);
  assert.equal(asked.length, 12);
});
