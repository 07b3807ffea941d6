/**
 * Owns the way into ComfyUI's graph: by drag, by button, and back to the workflow that made a picture.
 */

import { stringify } from "./json.mjs";

const MIME = "application/x-artifact-db";
const NODE = "LoadFromArtifactDB";

export class Graph {
  constructor({ app, client, t }) {
    Object.assign(this, { app, client, t });
  }

  /** A node that loads this artifact, in the middle of what is seen, or where it was dropped. */
  add(artifact, position = this.#middle()) {
    const node = globalThis.LiteGraph.createNode(NODE);
    if (!node) return;
    node.pos = position;
    this.app.graph.add(node);
    const widget = node.widgets.find((one) => one.name === "artifact_id");
    widget.value = artifact.id;
    widget.callback?.(artifact.id);
    this.app.canvas.selectNode?.(node);
    this.app.graph.setDirtyCanvas(true, true);
    this.app.canvas.canvas.focus?.();
  }

  /** Open the workflow that made a picture; a graph with unsaved changes is never replaced without a question. */
  async open(workflow, name, leave) {
    const { app, t } = this;
    leave(); // the question, and what is opened, are behind the viewer
    if (this.#isUnsaved()) {
      const sure = await app.extensionManager.dialog.confirm({ title: t("graph.replace_title"), message: t("graph.replace") });
      if (!sure) return;
    }
    // With JavaScript's own numbers, as ComfyUI itself reads a workflow.
    await app.loadGraphData(JSON.parse(stringify(workflow)), true, true, name);
  }

  /** A drag out of the panel carries the artifact under a type of our own, and no link that the frontend would load. */
  drag(event, artifact) {
    event.dataTransfer.clearData();
    event.dataTransfer.setData(MIME, JSON.stringify({ id: artifact.id }));
    event.dataTransfer.effectAllowed = "copy";
  }

  /** Take our own drags on the canvas, before the frontend sees them. */
  acceptDrops() {
    const ours = (event) => event.dataTransfer?.types.includes(MIME) && event.target instanceof HTMLCanvasElement;
    window.addEventListener(
      "dragover",
      (event) => {
        if (!ours(event)) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        event.dataTransfer.dropEffect = "copy";
      },
      true,
    );
    window.addEventListener(
      "drop",
      (event) => {
        if (!ours(event)) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        const { id } = JSON.parse(event.dataTransfer.getData(MIME));
        this.add({ id }, this.app.clientPosToCanvasPos([event.clientX, event.clientY]));
      },
      true,
    );
  }

  #middle() {
    const box = this.app.canvas.canvas.getBoundingClientRect();
    return this.app.clientPosToCanvasPos([box.left + box.width / 2, box.top + box.height / 2]);
  }

  #isUnsaved() {
    if (this.app.graph.nodes.length === 0) return false;
    const active = this.app.extensionManager.workflow?.activeWorkflow;
    return !active || active.isModified !== false || active.isPersisted !== true;
  }
}
