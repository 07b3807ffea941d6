/**
 * Owns the parameters of a step, `node.input` to values: as a form shows them, as they are read back, and what changed
 * from one attempt to the next. No DOM.
 */

import { parse, stringify } from "./json.mjs";

/** The literal inputs of a graph in API format; what comes from another node is none. */
export function literals(graph) {
  const found = {};
  for (const [node, described] of Object.entries(graph ?? {})) {
    for (const [name, value] of Object.entries(described?.inputs ?? {})) if (!isLink(value)) found[`${node}.${name}`] = value;
  }
  return found;
}

function isLink(value) {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === "string" && Number.isInteger(value[1]);
}

/** What a form begins with: the parameters of the newest attempt that has got any, in their order. */
export function prefilled(attempts) {
  const last = attempts.find((attempt) => attempt.parameters);
  return { ...last?.parameters, ...attempts[0]?.overrides };
}

/** A value as it stands in a field. */
export function written(value) {
  return typeof value === "string" ? value : stringify(value);
}

function kind(value) {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return "list";
  return typeof value === "bigint" ? "number" : typeof value;
}

/** What was typed, of the kind that the value before was of; undefined where it is none of that kind. */
export function read(text, before) {
  if (typeof before === "string") return text;
  try {
    const value = parse(text);
    if (value === Infinity || value === -Infinity) return undefined;
    return kind(before) === "nothing" || kind(value) === kind(before) ? value : undefined;
  } catch {
    // A word alone, for an input of which nobody knows what it takes, is a text.
    return before === undefined || before === null ? text : undefined;
  }
}

/**
 * The fields of a form, read.
 * @param {{key: string, before: any, text: string}[]} fields
 * @returns {{values: Record<string, any>, wrong: string[]}} `values` that are others than before
 */
export function changes(fields) {
  const values = {};
  const wrong = [];
  for (const { key, before, text } of fields) {
    const value = read(text, before);
    if (value === undefined) wrong.push(key);
    else if (!same(value, before)) values[key] = value;
  }
  return { values, wrong };
}

/** What an attempt ran with that the one before it did not: `from` or `to` is undefined where it was not there. */
export function differences(before, after) {
  const [old, now] = [valuesOf(before), valuesOf(after)];
  if (old === null || now === null) return [];
  return [...new Set([...Object.keys(old), ...Object.keys(now)])]
    .filter((key) => !same(old[key], now[key]))
    .map((key) => ({ key, from: old[key], to: now[key] }));
}

/** All that an attempt's graph was given; of one that was never prepared nothing is known. */
function valuesOf(attempt) {
  if (attempt.workflow_definition) return literals(attempt.workflow_definition);
  return attempt.parameters ?? null;
}

function same(one, other) {
  return one === other || stringify(one) === stringify(other);
}
