import assert from "node:assert/strict";
import { test } from "node:test";
import { byWhom, unfolded } from "../../web/js/panel/facts.mjs";

const decision = { action: "artifact.approved", actor: "ann", at: "2026-01-01", after: { decided_by: "ann" } };
const imported = {
  action: "artifact.imported",
  actor: "bob",
  at: "2026-02-02",
  after: { decided_by: "ann", rejection_reason: null, from: { file: "film.zip" }, history: [decision] },
};
const t = (key, values) => `${key} ${values.who}`;

test("a decision of another hub is told before the import, and as what it is", () => {
  const told = unfolded([imported, { action: "artifact.tagged", actor: "bob" }]);
  assert.deepEqual(
    told.map((event) => [event.action, event.actor, event.file]),
    [
      ["artifact.approved", "ann", "film.zip"],
      ["artifact.imported", "bob", undefined],
      ["artifact.tagged", "bob", undefined],
    ],
  );
});

test("what came through two hubs names the nearer bundle for each", () => {
  const again = { ...imported, actor: "cid", after: { from: { file: "again.zip" }, history: [imported] } };
  assert.deepEqual(
    unfolded([again]).map((event) => [event.action, event.actor, event.file]),
    [
      ["artifact.approved", "ann", "film.zip"],
      ["artifact.imported", "bob", "again.zip"],
      ["artifact.imported", "cid", undefined],
    ],
  );
});

test("an import is by whoever imported, not by whoever had decided", () => {
  assert.equal(byWhom(imported, t), "history.by bob");
  assert.equal(byWhom(decision, t), "history.by ann");
});
