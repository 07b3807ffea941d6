/**
 * The panel as the hub's own page.
 */

import { Badge } from "./badge.mjs";
import { Client } from "./client.mjs";
import { Live } from "./live.mjs";
import { Panel } from "./panel.mjs";
import { loadWords } from "./words.mjs";

const base = new URL("../../..", import.meta.url).pathname.replace(/\/$/, "");
const client = new Client(base);
const live = new Live(client);
const language = navigator.language;
const t = await loadWords(base, language);

document.documentElement.lang = "en";
document.title = t("title");
const who = () => localStorage.getItem("artifact-db.who") ?? "";
const panel = new Panel(document.querySelector("#panel"), { client, live, t, language, who });
// A browser's tab has no badge: the count stands in its title.
const tab = {
  set iconBadge(count) {
    document.title = count ? `(${count}) ${t("title")}` : t("title");
  },
};
new Badge({ client, live, tab: () => tab }).start();
live.start();
globalThis.artifactDbPanel = panel;
