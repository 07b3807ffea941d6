/**
 * Owns how elements are made: from data, by textContent and properties, never from strings of HTML.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `properties` are set as they are (class, dataset, style and on* included); children are elements or texts.
 * @param {string} tag
 * @param {Record<string, any>} [properties]
 * @param {...(Node|string|null|undefined|false)} children
 * @returns {HTMLElement}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "class") element.className = value;
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.startsWith("aria")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Replace everything in an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * As `fill`, unless it would change nothing; the focus stays on the control that has the same `data-do`. What looks the
 * same keeps the listeners that it was first drawn with: they read what is shown now, and capture nothing but what can
 * be seen in the element, as an id in its `data-do`.
 */
export function refill(element, ...children) {
  const fresh = fill(element.cloneNode(false), ...children);
  if (fresh.isEqualNode(element)) return;
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const sought = focused?.closest("[data-do]")?.dataset.do;
  element.replaceChildren(...fresh.childNodes);
  if (!focused || focused.isConnected) return;
  const same = sought && [...element.querySelectorAll("[data-do]")].find((one) => one.dataset.do === sought);
  (same && !same.disabled ? same : element.closest("[tabindex]"))?.focus({ preventScroll: true });
}

/** Load the pictures in an element that could not be loaded. */
export function reload(element) {
  for (const picture of element.querySelectorAll("img[src]")) {
    if (picture.complete && !picture.naturalWidth) picture.src = picture.getAttribute("src");
  }
}

/** Outlines on a 16 by 16 grid, drawn with the text's colour, so that no icon font has to be there. */
const ICONS = {
  check: "M3 8.5l3.2 3.2L13 4.8",
  cross: "M4 4l8 8M12 4l-8 8",
  clock: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM8 5v3.2l2.2 1.4",
  pencil: "M3 13l.8-3L10.5 3.3l2.2 2.2L6 12.2 3 13z",
  star: "M8 2.6l1.7 3.5 3.8.5-2.8 2.6.7 3.8L8 11.2 4.6 13l.7-3.8L2.5 6.6l3.8-.5z",
  trash: "M3 4.5h10M6.5 4V2.8h3V4M4.5 4.5l.6 8.7h5.8l.6-8.7",
  copy: "M6 6h7v7H6zM10 6V3H3v7h3",
  undo: "M5.5 3L2.8 5.8l2.7 2.7M3 5.8h6.2a3.6 3.6 0 0 1 0 7.2H6",
  download: "M8 2.5v7M5 6.8l3 3 3-3M3 13h10",
  upload: "M8 10V3M5 5.8l3-3 3 3M3 13h10",
  compare: "M2.5 3.5h5v9h-5zM8.5 3.5h5v9h-5z",
  left: "M10 3L5 8l5 5",
  right: "M6 3l5 5-5 5",
  close: "M4 4l8 8M12 4l-8 8",
  help: "M5.8 6a2.2 2.2 0 1 1 3.1 2c-.6.3-.9.7-.9 1.4M8 12v.4",
  stack: "M8 2.5L14 5.6 8 8.7 2 5.6zM2.5 8.3L8 11.1l5.5-2.8M2.5 10.9L8 13.7l5.5-2.8",
  warning: "M8 2.6l6 10.6H2zM8 6.6v3.2M8 11.6v.3",
  graph: "M3 3h3.5v3.5H3zM9.5 9.5H13V13H9.5zM6.5 4.8h3v6.4",
  key: "M10.2 2.8a3 3 0 1 1-2.4 4.8L3 12.4V14h2.4v-1.6H7v-1.6h1.2M10.8 5.2v.2",
  search: "M7 2.8a4.2 4.2 0 1 1 0 8.4 4.2 4.2 0 0 1 0-8.4zM10.2 10.2L13.4 13.4",
  retry: "M12.8 6.2A5.2 5.2 0 1 0 13 9M13 3v3.4H9.6",
  filter: "M2.5 3.5h11L9.4 8.6v4.2l-2.8-1.4V8.6z",
  folder: "M2.5 4h4l1.2 1.6h5.8v7.2h-11z",
  play: "M5 3.2l8 4.8-8 4.8z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  back: "M10 4L6 8l4 4M4 4v8",
  on: "M6 4l4 4-4 4M12 4v8",
  loud: "M2.5 6.2h2.6l3-2.6v8.8l-3-2.6H2.5zM10.4 6a2.8 2.8 0 0 1 0 4M12 4.2a5.2 5.2 0 0 1 0 7.6",
  mute: "M2.5 6.2h2.6l3-2.6v8.8l-3-2.6H2.5zM10.6 6.4l3.2 3.2M13.8 6.4l-3.2 3.2",
  loop: "M3.2 8.6V8a3 3 0 0 1 3-3h6.6M10.6 2.8L12.8 5l-2.2 2.2M12.8 7.4V8a3 3 0 0 1-3 3H3.2M5.4 13.2L3.2 11l2.2-2.2",
  note: "M6 11.6V4l6.5-1.4V10M6 11.6a1.7 1.7 0 1 1-3.4 0 1.7 1.7 0 0 1 3.4 0zM12.5 10a1.7 1.7 0 1 1-3.4 0 1.7 1.7 0 0 1 3.4 0z",
  stop: "M4 4h8v8H4z",
  skip: "M3.5 3.8L9 8l-5.5 4.2zM11.8 3.8v8.4",
  dots: "M3.6 8h.1M8 8h.1M12.4 8h.1",
  send: "M2.5 8h10M8.8 4.2L12.6 8l-3.8 3.8",
  fit: "M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3",
};

/** An element of a drawing, with its attributes. */
export function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** An icon; it says nothing to a screen reader, the control around it does. */
export function icon(name) {
  const drawing = svg("svg", { viewBox: "0 0 16 16", class: "adb-icon", "aria-hidden": "true" });
  drawing.append(svg("path", { d: ICONS[name] }));
  return drawing;
}

/** A button with an icon, a name for everybody, and a text where there is room for one. */
export function button(name, { label, text, onclick, keys, primary, danger, pressed, disabled, does }) {
  const title = keys ? `${label} (${keys})` : label;
  return el(
    "button",
    {
      type: "button",
      class: ["adb-button", primary && "adb-primary", danger && "adb-danger"].filter(Boolean).join(" "),
      title,
      disabled: Boolean(disabled),
      onclick,
      dataset: does ? { do: does } : null,
      "aria-label": label,
      "aria-keyshortcuts": keys ?? null,
      "aria-pressed": pressed === undefined ? null : String(pressed),
    },
    icon(name),
    text ? el("span", {}, text) : null,
  );
}
