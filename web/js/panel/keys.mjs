/**
 * Owns the keys: what each does, and that none of them reaches what is behind the panel.
 */

const FOCUSABLE = "a[href], button:not(:disabled), input:not([hidden]), select, textarea, [tabindex='0']";

/** Whether a key is meant for the control that has the focus. */
function owned(target, key) {
  if (!(target instanceof Element)) return false;
  if (target.matches("input[type=range]")) return /^(Arrow|Home|End|Page)/.test(key);
  if (target.matches("input[type=checkbox]")) return key === " ";
  if (target.closest("button")) return key === " ";
  if (target.closest(".adb-text")) return /^(ArrowUp|ArrowDown|Home|End|Page| )/.test(key);
  return target.closest("input, textarea, select, [contenteditable]") !== null;
}

/** Hear keys for a panel: all of them while it lies over everything, else those within it. Returns what ends it. */
export function listen(panel) {
  const ended = new AbortController();
  const { signal } = ended;
  const inside = (event) => panel.element.contains(event.target) || panel.overlay.contains(event.target);
  const over = () => panel.viewer.isOpen || panel.sheet.isOpen;

  const hear = (event) => {
    if (!over() && !inside(event)) return;
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const done = event.key === "Tab" ? over() && turn(panel, event) : plain && act(panel, event);
    if (done) event.preventDefault();
    // While a picture is open nothing of ComfyUI's hears a key: Delete must not reach the graph behind it.
    if (done || (over() && !inside(event))) event.stopImmediatePropagation();
  };
  const paste = (event) => {
    if (!panel.viewer.isOpen || owned(event.target, "v")) return;
    panel.viewer.take(event.clipboardData?.files, event);
    event.stopImmediatePropagation();
  };
  const keep = (event) => {
    if (panel.overlay.contains(event.target) || !(event.ctrlKey || event.metaKey || event.altKey)) event.stopPropagation();
  };
  window.addEventListener("keydown", hear, { capture: true, signal });
  window.addEventListener("paste", paste, { capture: true, signal });
  for (const root of [panel.element, panel.overlay]) root.addEventListener("keydown", keep, { signal });
  return () => ended.abort();
}

function act(panel, event) {
  if (panel.sheet.isOpen) return inSheet(panel, event.key);
  if (owned(event.target, event.key)) return event.target === panel.filters.words && inSearch(panel, event.key);
  return panel.viewer.isOpen ? inViewer(panel, event) : inList(panel, event.key);
}

function inSheet({ sheet }, key) {
  if (key !== "?" && key !== "Escape") return false;
  sheet.toggle();
  return true;
}

function inSearch({ filters, list }, key) {
  if (key === "ArrowDown" || (key === "Escape" && !filters.words.value)) list.focus();
  else return false;
  return true;
}

const TABS = { 1: "queue", 2: "all", 3: "chains" };

function inList({ actions, chains, filters, selected, selection, sheet }, key) {
  if (key === "?") sheet.toggle();
  else if (key === "u") actions.undo();
  else if (key === "/" && !chains.isShown) filters.words.focus();
  else if (Object.hasOwn(TABS, key)) filters.turnTo(TABS[key]);
  else if (key === "Escape" && selection.ids.size) selection.clear();
  else if (key === "t" && selection.ids.size) selected.add.input.focus();
  else return false;
  return true;
}

const PAN = 60;

function inViewer(panel, { key, shiftKey }) {
  const { viewer, actions, sheet } = panel;
  const { artifact, stage } = viewer;
  const pans = { ArrowLeft: [PAN, 0], ArrowRight: [-PAN, 0], ArrowUp: [0, PAN], ArrowDown: [0, -PAN] };
  if (shiftKey && key in pans) {
    stage.zoom.pan(...pans[key]);
    return true;
  }
  const doing = {
    ArrowLeft: () => panel.step(-1),
    ArrowRight: () => panel.step(1),
    ArrowUp: () => viewer.turn(-1),
    ArrowDown: () => viewer.turn(1),
    a: () => actions.approve(artifact),
    r: () => viewer.askReason(),
    s: () => actions.select(artifact, viewer.current),
    c: () => viewer.compare(),
    z: () => stage.zoom.toggle(),
    "+": () => stage.zoom.by(1.25),
    "=": () => stage.zoom.by(1.25),
    "-": () => stage.zoom.by(0.8),
    " ": () => stage.player.toggle(),
    ",": () => stage.player.step(-1),
    ".": () => stage.player.step(1),
    e: () => viewer.pickFile(),
    d: () => viewer.download(),
    g: () => viewer.intoGraph(),
    t: () => viewer.tags.ask(),
    Delete: () => actions.remove(artifact),
    u: () => actions.undo(),
    "?": () => sheet.toggle(),
    Escape: () => panel.leave(),
  };
  if (!Object.hasOwn(doing, key)) return false;
  doing[key]();
  return true;
}

/** Tab goes round within what lies over everything. */
function turn(panel, event) {
  const root = panel.sheet.isOpen ? panel.sheet.element : panel.overlay;
  const stops = [...root.querySelectorAll(FOCUSABLE)].filter((one) => one.checkVisibility());
  if (!stops.length) return true;
  const [first, last] = [stops[0], stops.at(-1)];
  const at = document.activeElement;
  if (!root.contains(at)) (event.shiftKey ? last : first).focus();
  else if (at === last && !event.shiftKey) first.focus();
  else if (event.shiftKey && (at === first || at === panel.viewer.element)) last.focus();
  else return false;
  return true;
}
