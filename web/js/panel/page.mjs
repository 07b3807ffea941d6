/**
 * The panel as the hub's own page.
 */

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
live.start();
const who = () => localStorage.getItem("artifact-db.who") ?? "";
const panel = new Panel(document.querySelector("#panel"), { client, live, t, language, who });
globalThis.artifactDbPanel = panel;
