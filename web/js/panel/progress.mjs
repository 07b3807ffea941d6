/**
 * Owns how far a step's prompt is, as the hub hears from its server: drawn into what is there already, as it comes.
 */

import { el, refill } from "./dom.mjs";

/** A place for it; `hear` fills it. */
export function progressOf(workflow) {
  return workflow ? el("span", { class: "adb-step-node", dataset: { workflow: workflow.id }, hidden: true }) : null;
}

/** Draw what is heard now into the places below `root`; of what is not heard any more there is nothing. */
export function hear(root, heard) {
  const by = new Map(heard.map((one) => [one.workflow_id, one]));
  for (const place of root.querySelectorAll(".adb-step-node")) {
    const one = by.get(place.dataset.workflow);
    place.hidden = !one;
    refill(place, ...(one ? drawn(one) : []));
  }
}

function drawn({ node_id: id, node_type: type, value, max }) {
  const counts = value !== null && max !== null;
  return [
    el("span", { title: `${type} (${id})` }, counts ? `${type} ${value}/${max}` : type),
    counts ? el("progress", { value, max, "aria-label": type }) : null,
  ];
}
