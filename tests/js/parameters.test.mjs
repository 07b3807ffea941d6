import assert from "node:assert/strict";
import { test } from "node:test";
import { parse, stringify } from "../../web/js/panel/json.mjs";
import { changes, differences, literals, prefilled, read, written } from "../../web/js/panel/parameters.mjs";

const GRAPH = {
  1: { class_type: "LoadImage", inputs: { image: "a.png" } },
  7: { class_type: "Prompt", inputs: { text: "fire", seed: 1, model: ["4", 0] } },
};

test("a graph's literals are its inputs that no node gives", () => {
  assert.deepEqual(literals(GRAPH), { "1.image": "a.png", "7.text": "fire", "7.seed": 1 });
  assert.deepEqual(literals(null), {});
  assert.deepEqual(literals({ 3: null, 4: {}, 5: { inputs: { list: [1, 2, 3], two: [1, 2] } } }), { "5.list": [1, 2, 3], "5.two": [1, 2] });
});

test("a form begins with the last attempt's parameters, and what was asked for in it", () => {
  const attempts = [{ parameters: null, overrides: { "7.seed": 3 } }, { parameters: { "7.seed": 2, "7.text": "x" }, overrides: {} }];
  assert.deepEqual(prefilled(attempts), { "7.seed": 3, "7.text": "x" });
  assert.deepEqual(prefilled([]), {});
});

test("what is typed is read as the kind of value that was there", () => {
  assert.equal(read("12", "text"), "12");
  assert.equal(read("12", 1), 12);
  assert.equal(read("a", 1), undefined);
  assert.equal(read("true", false), true);
  assert.equal(read("1", false), undefined);
  assert.deepEqual(read("[1]", [2]), [1]);
  assert.equal(read("a word", undefined), "a word");
  assert.equal(read("5", undefined), 5);
  for (const value of ["text", 1.5, true, null, { a: [1] }]) assert.deepEqual(read(written(value), value), value);
});

test("a seed is shown and sent as it was recorded and typed, whatever its size", () => {
  const largest = 18446744073709551615n;
  const [attempt] = parse('[{"parameters": {"7.seed": 12345678901234567890, "7.text": "x"}}]');
  const before = attempt.parameters["7.seed"];
  assert.equal(written(before), "12345678901234567890");
  assert.equal(read(String(largest), before), largest);
  assert.equal(read(String(largest), 1), largest);
  assert.equal(read("5", before), 5);
  assert.deepEqual(changes([{ key: "7.seed", before, text: "12345678901234567890" }]), { values: {}, wrong: [] });
  assert.equal(stringify({ parameters: { "7.seed": read(String(largest), before) } }), '{"parameters":{"7.seed":18446744073709551615}}');
  assert.deepEqual(differences(attempt, { parameters: { ...attempt.parameters, "7.seed": before + 1n } }), [
    { key: "7.seed", from: before, to: before + 1n },
  ]);
});

test("what is no number of any size, or of another kind, is not sent", () => {
  assert.equal(read("1e400", 1), undefined);
  for (const text of ["null", "{}", "1"]) assert.equal(read(text, [1, 2]), undefined);
  assert.equal(read("[1]", { a: 1 }), undefined);
});

test("JSON is read and written as it was, digits within texts too", () => {
  for (const text of [
    '{"a":[1,2.5,-3,1e+30,null,true,"x"],"b":{}}',
    '{"seed":18446744073709551615,"text":"18446744073709551615 \\" ## 12345678901234567890","-9223372036854775809":-9223372036854775809}',
    '["\\\\",99999999999999999999]',
  ]) {
    assert.equal(stringify(parse(text)), text);
  }
  assert.equal(parse("9007199254740991"), 9007199254740991);
  assert.equal(parse("9007199254740993"), 9007199254740993n);
  assert.equal(stringify({ gone: undefined, list: [undefined] }), '{"list":[null]}');
  assert.throws(() => parse("12345678901234567890 nonsense"), SyntaxError);
});

test("only what is another value is sent, and what cannot be read is named", () => {
  const field = (key, before, text) => ({ key, before, text });
  assert.deepEqual(changes([field("a", 1, "1"), field("b", "x", "y"), field("c", 2, "two"), field("d", [1], "[1]")]), {
    values: { b: "y" },
    wrong: ["c"],
  });
});

test("what changed from one attempt to the next is told, what came and what went too", () => {
  const before = { workflow_definition: null, parameters: { a: 1, b: 2 } };
  const after = { workflow_definition: null, parameters: { a: 1, b: 3, c: 4 } };
  assert.deepEqual(differences(before, after), [
    { key: "b", from: 2, to: 3 },
    { key: "c", from: undefined, to: 4 },
  ]);
  const other = { ...GRAPH, 7: { inputs: { text: "ice", seed: 1, model: ["5", 0] } } };
  assert.deepEqual(differences({ workflow_definition: GRAPH }, { workflow_definition: other }), [{ key: "7.text", from: "fire", to: "ice" }]);
  assert.deepEqual(differences({ workflow_definition: null, parameters: null }, after), []);
});
