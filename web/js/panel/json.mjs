/**
 * Owns reading and writing JSON without rounding: a whole number that a JavaScript number cannot hold is a BigInt. Seeds
 * are such numbers; ComfyUI's largest is 2^64 - 1. No DOM.
 */

/** A whole string, or a number; nothing of a number is sought within a string. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

function isLarge(token) {
  return /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token));
}

/** As `JSON.parse`. */
export function parse(text) {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  // Large numbers are read as strings behind a mark that nothing else in here has.
  let mark = "#";
  while (text.includes(mark)) mark += "#";
  const marked = text.replace(TOKENS, (token) => (isLarge(token) ? `"${mark}${token}"` : token));
  if (marked === text) return JSON.parse(text);
  return JSON.parse(marked, (_, value) =>
    typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value,
  );
}

/** As `JSON.stringify`. */
export function stringify(value) {
  if (typeof value === "bigint") return String(value);
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((one) => stringify(one) ?? "null").join(",")}]`;
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${stringify(one)}`).join(",")}}`;
}
