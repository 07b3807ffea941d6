import assert from "node:assert/strict";
import { test } from "node:test";
import { arrange, MOST, SIDE } from "../../web/js/panel/family.mjs";
import { artifact } from "./making.mjs";

const related = (one, relation, of, depth) => ({ artifact: one, relation, of: of.id, depth });
const link = (from, to, relation) => ({ from: from.id, to: to.id, relation });
const at = (drawn, one) => drawn.people.find((person) => person.artifact.id === one.id);

test("what went into it lies above it, what came of it below, each a row a step", () => {
  const [photo, frame, film, cut] = [artifact(), artifact(), artifact(), artifact()];
  const drawn = arrange({
    artifact: frame,
    ancestors: [related(photo, "input", frame, 1)],
    descendants: [related(film, "input", frame, 1), related(cut, "parent", film, 2)],
    links: [link(photo, frame, "input"), link(frame, film, "input"), link(film, cut, "parent")],
  });
  const rows = [photo, frame, film, cut].map((one) => at(drawn, one).y);
  assert.equal(rows[0], SIDE / 2);
  assert.deepEqual(rows, rows.toSorted((a, b) => a - b));
  assert.equal(new Set(rows).size, 4);
  assert.equal(drawn.height, rows[3] + SIDE / 2);
  assert.deepEqual(drawn.links.map((link) => link.kind).sort(), ["input", "input", "parent"]);
});

test("every way between two that are there is a line", () => {
  const [one, left, right, deep] = [artifact(), artifact(), artifact(), artifact()];
  const drawn = arrange({
    artifact: one,
    ancestors: [related(left, "input", one, 1), related(right, "input", one, 1), related(deep, "input", right, 2)],
    descendants: [],
    links: [...[left, right].flatMap((side) => [link(side, one, "input"), link(deep, side, "input")])],
  });
  const middles = drawn.people.map(({ x, y }) => `${x} ${y}`);
  assert.equal(drawn.links.length, 4);
  for (const { from, to } of drawn.links) {
    assert.ok(middles.includes(`${from.x} ${from.y}`));
    assert.ok(middles.includes(`${to.x} ${to.y}`));
  }
});

test("of a row that is too long the rest is counted, and so are those that only they lead to", () => {
  const photo = artifact();
  const films = Array.from({ length: MOST + 3 }, () => artifact());
  const cut = artifact();
  const drawn = arrange({
    artifact: photo,
    ancestors: [],
    descendants: [...films.map((film) => related(film, "input", photo, 1)), related(cut, "parent", films.at(-1), 2)],
    links: [...films.map((film) => link(photo, film, "input")), link(films.at(-1), cut, "parent")],
  });
  assert.equal(drawn.people.length, 1 + MOST);
  assert.equal(drawn.links.length, MOST);
  assert.deepEqual(drawn.more.map(({ n }) => n), [3, 1]);
  assert.ok(drawn.people.every(({ x }) => x - SIDE / 2 >= 0 && x + SIDE / 2 <= drawn.width));
});
