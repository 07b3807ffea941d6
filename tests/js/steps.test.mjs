import assert from "node:assert/strict";
import { test } from "node:test";
import { arrange, canRerunFrom, CARD, neighbour, stepsOf } from "../../web/js/panel/steps.mjs";
import { artifact } from "./making.mjs";

const defined = (id, ...depends_on) => ({ id, depends_on, workflow: {} });
const ran = (step_id, status = "completed", more = {}) => ({
  id: `w-${step_id}-${more.created_at ?? "0"}`,
  ...{ step_id, status, workflow_name: `graph of ${step_id}`, server_address: "gpu-a", latest_artifact_id: null, created_at: "0" },
  ...more,
});
const chain = (steps, workflows = [], more = {}) => ({
  ...{ status: "executing_level_0", chain_definition: { steps }, workflows, undelivered: [] },
  ...more,
});
const DIAMOND = [defined("a"), defined("b", "a"), defined("c", "a"), defined("d", "b", "c")];

test("steps have levels, each below all that it waits for, and a line for each way", () => {
  const steps = stepsOf(chain(DIAMOND));
  assert.deepEqual(steps.map(({ level }) => level), [0, 1, 1, 2]);
  const drawn = arrange(steps);
  assert.deepEqual(drawn.rows, [["a"], ["b", "c"], ["d"]]);
  assert.equal(drawn.links.length, 4);
  assert.ok(drawn.links.every(({ from, to, around }) => from.y < to.y && around === 0));
  for (const { x, y } of drawn.places.values()) {
    assert.ok(x - CARD.width / 2 >= 0 && x + CARD.width / 2 <= drawn.width);
    assert.ok(y - CARD.height / 2 >= 0 && y + CARD.height / 2 <= drawn.height);
  }
});

test("what waits for one step lies below it, so that lines do not cross", () => {
  const steps = stepsOf(chain([defined("l"), defined("r"), defined("of r", "r"), defined("of l", "l")]));
  assert.deepEqual(arrange(steps).rows[1], ["of l", "of r"]);
});

test("a line over more than one level goes round what lies between, within the drawing", () => {
  const drawn = arrange(stepsOf(chain([defined("a"), defined("b", "a"), defined("c", "a", "b")])));
  const around = drawn.links.filter((link) => link.around);
  assert.equal(around.length, 1);
  const middle = around[0].from.x + 0.75 * around[0].around;
  assert.ok(middle > around[0].from.x + CARD.width / 2);
  assert.ok(middle < drawn.width);
});

test("a definition that is nonsense is passed over, and what ran is shown", () => {
  for (const definition of [null, 7, { steps: "x" }, { steps: [null, 3, {}, { id: 5 }] }]) {
    const steps = stepsOf({ ...chain([], [ran("by hand")]), chain_definition: definition });
    assert.deepEqual(steps.map(({ id, level }) => [id, level]), [["by hand", null]]);
    assert.equal(arrange(steps).rows.length, 1);
  }
  const circle = stepsOf(chain([defined("a", "b"), defined("b", "a"), defined("c", "nobody"), { id: "d", depends_on: "a" }]));
  assert.deepEqual(circle.map(({ level }) => level), [1, 1, 0, 0]);
  assert.equal(arrange(circle).places.size, 4);
  assert.deepEqual(arrange([]).rows, []);
});

test("steps of which nothing is said lie beside each other, as many as there is room for", () => {
  const steps = stepsOf(chain([], ["a", "b", "c", "d", "e"].map((id) => ran(id))));
  assert.deepEqual(arrange(steps, 2).rows.map((row) => row.length), [2, 2, 1]);
  assert.deepEqual(arrange(steps, 6).rows.map((row) => row.length), [5]);
});

test("a step that ran several times is its newest workflow", () => {
  const [step] = stepsOf(chain([], [ran("a", "failed", { created_at: "2" }), ran("a", "completed", { created_at: "1" })]));
  assert.equal(step.workflow.status, "failed");
  assert.equal(step.runs.length, 2);
});

test("a step waits for a person while what it offers is not usable", () => {
  const offers = (changes) => artifact({ id: "made", ...changes });
  const state = (made, status = "awaiting_approval", more = {}) =>
    stepsOf(chain([defined("a")], [ran("a", status, { latest_artifact_id: "made" })], more), [made])[0];
  const pending = state(offers({ approval_status: "pending", usable: false }));
  assert.deepEqual([pending.state, pending.waitsForPerson], ["awaiting_approval", true]);
  const rejected = state(offers({ approval_status: "rejected", usable: false }));
  assert.deepEqual([rejected.state, rejected.waitsForPerson], ["rejected", true]);
  const fine = state(offers({ approval_status: "approved", usable: true }), "completed");
  assert.deepEqual([fine.state, fine.waitsForPerson], ["completed", false]);
  const broken = state(offers({ approval_status: "approved", usable: false }), "completed");
  assert.deepEqual([broken.state, broken.waitsForPerson], ["unusable", true]);
  assert.equal(state(offers({ usable: false }), "awaiting_approval", { status: "cancelled" }).waitsForPerson, false);
});

test("a step without a workflow has not begun, or never will", () => {
  assert.equal(stepsOf(chain(DIAMOND))[0].state, "waiting");
  assert.equal(stepsOf(chain(DIAMOND, [], { status: "cancelled" }))[0].state, "not_run");
});

test("what did not arrive is told at the step that it was for", () => {
  const late = { id: "t", target_workflow_id: "w-b-0" };
  const steps = stepsOf(chain(DIAMOND, [ran("a"), ran("b", "queued")], { undelivered: [late] }));
  assert.deepEqual(steps.map(({ undelivered }) => undelivered.length), [0, 1, 0, 0]);
});

test("a chain runs again from a step only where what is taken over has ended well", () => {
  const steps = stepsOf(chain(DIAMOND, [ran("a"), ran("b"), ran("c", "failed")]));
  assert.equal(canRerunFrom(steps, "a"), true);
  assert.equal(canRerunFrom(steps, "c"), true);
  assert.equal(canRerunFrom(steps, "b"), false);
  assert.equal(canRerunFrom(steps, "d"), false);
});

test("the arrows lead along the levels", () => {
  const drawn = arrange(stepsOf(chain(DIAMOND)));
  assert.equal(neighbour(drawn, "a", "ArrowDown"), "b");
  assert.equal(neighbour(drawn, "b", "ArrowRight"), "c");
  assert.equal(neighbour(drawn, "c", "ArrowRight"), "c");
  assert.equal(neighbour(drawn, "c", "ArrowDown"), "d");
  assert.equal(neighbour(drawn, "a", "ArrowUp"), "a");
  assert.equal(neighbour(drawn, null, "ArrowDown"), "a");
});
