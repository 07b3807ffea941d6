/**
 * Owns what is told of how an artifact was generated: prompts, settings, models; and of each how sure it is.
 */

import { button, el } from "./dom.mjs";

const PROMPTS = ["prompt", "negative_prompt"];
const SETTINGS = ["seed", "steps", "cfg", "guidance", "sampler", "scheduler", "denoise"];

/** What the graph says; nothing where nothing was generated. */
export function generation(artifact, { t }) {
  const told = artifact.metadata.generation;
  if (!told || typeof told !== "object") return [];
  const rows = [
    ...SETTINGS.map((name) => [name, told[name], (value) => [String(value)]]),
    ["models", told.models, (value) => named(value, (model) => model.name)],
    ["loras", told.loras, (value) => named(value, (lora) => [lora.name, strength(lora)].join(" "))],
  ].filter(([, field]) => field);
  const prompts = PROMPTS.filter((name) => told[name] && told[name].value !== "");
  if (!rows.length && !prompts.length) return [];
  return [
    el("h3", {}, t("generation.title")),
    ...prompts.flatMap((name) => prompt(name, told[name], t)),
    el(
      "dl",
      {},
      ...rows.flatMap(([name, field, texts]) => [
        el("dt", {}, t(`generation.${name}`)),
        el("dd", { class: "adb-several" }, ...value(field, texts, t)),
      ]),
    ),
  ];
}

function prompt(name, field, t) {
  const label = t("generation.copy", { what: t(`generation.${name}`) });
  const copy = async (event) => {
    const { currentTarget } = event;
    await navigator.clipboard.writeText(field.value);
    currentTarget.querySelector("span").textContent = t("generation.copied");
  };
  const may = field.value && navigator.clipboard;
  return [
    el(
      "div",
      { class: "adb-prompt", dataset: { field: name } },
      el("h4", {}, t(`generation.${name}`)),
      may ? button("copy", { label, text: t("generation.copy_short"), onclick: copy, does: `copy_${name}` }) : null,
      el("p", {}, ...value(field, (text) => [text], t)),
    ),
  ];
}

/** The texts of a field, each a line, and a mark where they are not sure. */
function value(field, texts, t) {
  const known = field.state !== "unknown shape" && field.value !== undefined && field.value !== null;
  const lines = known ? texts(field.value).map((text) => el("span", { title: text }, text)) : [];
  if (field.state === "ok" && known) return lines;
  const state = known ? "partial" : "unknown";
  const mark = el("em", { class: "adb-unsure", title: t(`generation.${state}_hint`) }, t(`generation.${state}`));
  return [...lines, mark];
}

function named(list, text) {
  return Array.isArray(list) ? list.map(text) : [];
}

function strength({ strength_model: model, strength_clip: clip }) {
  const numbers = [model, clip].filter((number) => typeof number === "number");
  return [...new Set(numbers)].join(" / ");
}
