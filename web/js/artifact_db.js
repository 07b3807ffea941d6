/**
 * The panel in ComfyUI: a sidebar tab with a count of what waits, a toast when something new does, and the way into the
 * graph. ComfyUI imports this file by itself; everything else is imported from here.
 */

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { Badge } from "./panel/badge.mjs";
import { Client, reasonOf } from "./panel/client.mjs";
import { Graph } from "./panel/graph.mjs";
import { Live } from "./panel/live.mjs";
import { Names } from "./panel/names.mjs";
import { Panel } from "./panel/panel.mjs";
import { Recording } from "./panel/recording.mjs";
import { watchScheme } from "./panel/scheme.mjs";
import { loadWords } from "./panel/words.mjs";

const TAB = "artifact-db";
const base = api.apiURL("/artifact-db").replace(/\/$/, "");
const setting = (name, fallback) => app.extensionManager.setting.get(`ArtifactDB.${name}`) ?? fallback;

let recording = null; // until the extension is set up

function addStyles() {
  for (const sheet of ["panel", "list", "viewer", "chains"]) {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = new URL(`../css/${sheet}.css`, import.meta.url).href;
    document.head.append(link);
  }
}

let offerNames = () => {};

app.registerExtension({
  name: "artifact_db.panel",
  nodeCreated(node) {
    offerNames(node);
  },
  settings: [
    {
      id: "ArtifactDB.Name",
      category: ["Artifact DB", "Reviewing", "Name"],
      name: "Your name, as decisions record it",
      type: "text",
      defaultValue: "",
    },
    {
      id: "ArtifactDB.Toasts",
      category: ["Artifact DB", "Reviewing", "Toasts"],
      name: "Say when something new waits for a decision",
      type: "boolean",
      defaultValue: true,
    },
    {
      id: "ArtifactDB.RecordAll",
      category: ["Artifact DB", "Recording", "RecordAll"],
      name: "Record every output of every prompt, without nodes of ours",
      type: "boolean",
      defaultValue: false,
      onChange: (on) => recording?.changed(on),
    },
  ],
  async setup() {
    addStyles();
    const client = new Client(base, (path, options) => fetch(path, options));
    const live = new Live(client);
    const language = app.extensionManager.setting.get("Comfy.Locale") ?? navigator.language;
    const t = await loadWords(base, language);
    const graph = new Graph({ app, client, t });
    const names = new Names({ client, t });
    offerNames = (node) => names.offer(node);
    app.graph?.nodes.forEach(offerNames);
    graph.acceptDrops();
    let panel = null;

    app.extensionManager.registerSidebarTab({
      id: TAB,
      icon: "pi pi-verified",
      title: t("title"),
      tooltip: t("title"),
      type: "custom",
      render(element) {
        panel?.destroy();
        panel = new Panel(element, {
          ...{ client, live, t, language, graph },
          who: () => setting("Name", ""),
          drag: (event, artifact) => graph.drag(event, artifact),
          watchScheme,
        });
      },
      destroy() {
        panel?.destroy();
        panel = null;
      },
    });

    const badge = new Badge({ client, live, tab: () => tabOf(TAB) });
    badge.onmore = (more) => {
      if (!setting("Toasts", true) || panel) return;
      const detail = t("toast.waiting", { n: more });
      app.extensionManager.toast.add({ severity: "info", summary: t("title"), detail, life: 5000 });
    };
    badge.start();

    recording = new Recording({
      ...{ client, live },
      read: () => setting("RecordAll", false),
      write: (on) => app.extensionManager.setting.set("ArtifactDB.RecordAll", on),
      refused: (why) =>
        app.extensionManager.toast.add({ severity: "warn", summary: t("title"), detail: reasonOf(why, t), life: 8000 }),
    });
    recording.start();
    live.start();
  },
});

/** The tab as the frontend keeps it, so that a change of it is seen. */
function tabOf(id) {
  const tabs = app.extensionManager.getSidebarTabs?.() ?? app.extensionManager.sidebarTab?.sidebarTabs ?? [];
  return tabs.find((tab) => tab.id === id);
}
