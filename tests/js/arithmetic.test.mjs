import assert from "node:assert/strict";
import { test } from "node:test";
import * as grid from "../../web/js/panel/grid.mjs";
import { frameAt } from "../../web/js/panel/scrub.mjs";
import { lasting, size, when, words } from "../../web/js/panel/words.mjs";
import { fitted, zoomed } from "../../web/js/panel/zoom.mjs";

const LOOK = { least: 118, gap: 8, caption: 22 };

test("cells fill the width, and a narrow sidebar has two of them", () => {
  const look = grid.layout(280, LOOK);
  assert.equal(look.columns, 2);
  assert.equal(look.side, 136);
  assert.equal(grid.layout(50, LOOK).columns, 1);
});

test("where there is room the pictures are larger, not only more of them", () => {
  const look = { ...LOOK, most: 168 };
  assert.equal(grid.layout(280, look).side, grid.layout(280, LOOK).side);
  assert.equal(grid.layout(1280, look).columns, 7);
});

test("only what is seen is there, however long the list", () => {
  const look = grid.layout(600, LOOK);
  const [first, last] = grid.range(100_000, 800, 10_000, look);
  assert.ok(last - first < 80, `${last - first} cells`);
  assert.equal(first % look.columns, 0);
  assert.deepEqual(grid.range(0, 800, 0, look), [0, 0]);
});

test("the last row is reached", () => {
  const look = grid.layout(600, LOOK);
  const whole = grid.height(10_000, look);
  const [, last] = grid.range(whole - 800, 800, 10_000, look);
  assert.equal(last, 10_000);
});

test("scrolling to a cell that is seen moves nothing", () => {
  const look = grid.layout(600, LOOK);
  assert.equal(grid.scrollTo(2, 0, 800, look), 0);
  assert.ok(grid.scrollTo(5_000, 0, 800, look) > 0);
});

test("zooming keeps the point under the pointer", () => {
  const before = { scale: 1, x: 10, y: 20 };
  const point = { x: 110, y: 70 };
  const after = zoomed(before, 2, point);
  assert.deepEqual([(point.x - after.x) / after.scale, (point.y - after.y) / after.scale], [100, 50]);
  assert.equal(zoomed({ scale: 30, x: 0, y: 0 }, 10, point).scale, 32);
});

test("a large picture fits its stage and a small one is not blown up", () => {
  assert.deepEqual(fitted({ width: 2000, height: 1000 }, { width: 500, height: 500 }), { scale: 0.25, x: 0, y: 125 });
  assert.equal(fitted({ width: 10, height: 10 }, { width: 500, height: 500 }).scale, 1);
  assert.equal(fitted({ width: 0, height: 0 }, { width: 500, height: 500 }).scale, 1);
});

test("texts are filled in, and what is filled in is never looked into again", () => {
  const t = words({ hello: "{name} of {n}", many: "{n} picture | {n} pictures" });
  assert.equal(t("hello", { name: "{n}", n: 3 }), "{n} of 3");
  assert.equal(t("many", { n: 1 }), "1 picture");
  assert.equal(t("many", { n: 2 }), "2 pictures");
  assert.equal(t("missing"), "missing");
});

test("sizes and times are said as people say them", () => {
  assert.deepEqual([999, 1500, 2_040_000, 999_999].map(size), ["999 B", "1.5 kB", "2.0 MB", "1.0 MB"]);
  assert.match(when("2020-03-04T10:00:00Z", "en", new Date("2026-01-01")), /2020/);
});

test("how long something lasts is said by the clock", () => {
  assert.deepEqual([0, 4.9, 61, 3600, 36_061.5].map(lasting), ["0:00", "0:04", "1:01", "1:00:00", "10:01:01"]);
});

test("a cell asks for the size of thumbnail that its screen shows", () => {
  assert.deepEqual([grid.thumbnail(118, 1), grid.thumbnail(168, 1.5), grid.thumbnail(168, 2)], ["small", "small", "medium"]);
  assert.equal(grid.thumbnail(118, undefined), "small");
});

test("the frame under a mouse is one of twelve", () => {
  assert.deepEqual([-5, 0, 59, 60, 119, 500].map((x) => frameAt(x, 120)), [0, 0, 5, 6, 11, 11]);
});
