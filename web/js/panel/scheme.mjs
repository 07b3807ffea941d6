/**
 * Owns telling dark from light: ComfyUI's palettes are colours, and none of them says which it is.
 */

/** "dark" or "light", by how bright the menu's background is. */
export function scheme(style = getComputedStyle(document.body)) {
  const colour = style.getPropertyValue("--comfy-menu-bg").trim();
  const probe = document.createElement("canvas").getContext("2d");
  if (!colour || !probe) return "dark";
  probe.fillStyle = "#000";
  probe.fillStyle = colour;
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 128 ? "light" : "dark";
}

/** Tell "dark" or "light" now and whenever the palette changes; returns what ends it. */
export function watchScheme(listener) {
  let last;
  const look = () => {
    const now = scheme();
    if (now !== last) listener((last = now));
  };
  const watched = new MutationObserver(look);
  for (const root of [document.documentElement, document.body]) {
    watched.observe(root, { attributes: true, attributeFilter: ["style", "class"] });
  }
  look();
  return () => watched.disconnect();
}
