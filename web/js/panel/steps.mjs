/**
 * Owns what a chain's steps are, how each stands, and where it is drawn: levels from top to bottom. No DOM.
 *
 * A definition may be anybody's: what is wrong in it is passed over, and what ran is shown in any case.
 */

export const CARD = { width: 124, height: 148 };
const PITCH = { x: 144, y: 184 };

const OVER = new Set(["completed", "failed", "cancelled"]);
const UNDER_WAY = new Set(["queued", "executing"]);
const FOR_A_PERSON = new Set(["awaiting_approval", "rejected", "unusable"]);

/** Whether a chain goes on by itself no more. */
export function isOver(chain) {
  return OVER.has(chain.status);
}

/** Whether the prompt of a workflow or an attempt waits or runs; of none it does not. */
export function isUnderWay(one) {
  return UNDER_WAY.has(one?.status);
}

/**
 * @param {any} chain as the hub tells one with its workflows
 * @param {any[]} artifacts the current ones of its workflows, as far as they are known
 * @returns {any[]} `runs` are the step's workflows, the newest last, `workflow` is that one, null before it begins;
 *          `level` is null where nothing says what it waits for
 */
export function stepsOf(chain, artifacts = []) {
  const runs = new Map();
  for (const workflow of chain.workflows) {
    const key = workflow.step_id ?? workflow.id;
    if (!runs.has(key)) runs.set(key, []);
    runs.get(key).push(workflow);
  }
  const declared = definitionsOf(chain.chain_definition);
  const levels = levelsOf(declared);
  const ids = [...new Set([...declared.keys(), ...runs.keys()])];
  const known = new Map(artifacts.map((artifact) => [artifact.id, artifact]));
  return ids.map((id) => {
    const workflow = (runs.get(id) ?? []).toSorted((a, b) => (a.created_at < b.created_at ? -1 : 1)).at(-1) ?? null;
    const artifact = known.get(workflow?.latest_artifact_id) ?? null;
    const state = standing(chain, workflow, artifact);
    return {
      id,
      name: workflow && !workflow.step_id ? workflow.workflow_name : id,
      workflow,
      artifact,
      state,
      runs: runs.get(id) ?? [],
      waitsForPerson: FOR_A_PERSON.has(state) && !["failed", "cancelled"].includes(chain.status),
      dependsOn: declared.get(id)?.dependsOn ?? [],
      level: levels.get(id) ?? null,
      server: workflow?.server_address || (declared.get(id)?.server ?? ""),
      undelivered: workflow ? (chain.undelivered ?? []).filter((one) => one.target_workflow_id === workflow.id) : [],
    };
  });
}

/** Whether a chain can run again from a step: what would be taken over has to have ended well. */
export function canRerunFrom(steps, id) {
  const again = new Set([id]);
  for (let more = true; more; ) {
    const found = steps.filter((one) => !again.has(one.id) && one.dependsOn.some((other) => again.has(other)));
    found.forEach((one) => again.add(one.id));
    more = found.length > 0;
  }
  return steps.every((one) => again.has(one.id) || ["completed", "skipped"].includes(one.workflow?.status));
}

/**
 * Where each step is drawn, by its middle.
 * @param {any[]} steps
 * @param {number} columns how many beside each other of those that have no level
 */
export function arrange(steps, columns = 2) {
  const rows = [];
  for (const step of steps) if (step.level !== null) (rows[step.level] ??= []).push(step);
  const loose = steps.filter((step) => step.level === null);
  for (let at = 0; at < loose.length; at += columns) rows.push(loose.slice(at, at + columns));
  const widest = Math.max(1, ...rows.map((row) => row.length));
  const links = steps.flatMap((step) => step.dependsOn.map((other) => ({ from: other, to: step.id })));
  const level = new Map(rows.flatMap((row, at) => row.map((step) => [step.id, at])));
  const span = ({ from, to }) => Math.abs(level.get(to) - level.get(from));
  const margin = links.some((link) => span(link) > 1) ? PITCH.x / 2 : 0;
  const width = widest * PITCH.x - (PITCH.x - CARD.width) + 2 * margin;
  const places = new Map();
  rows.forEach((row, at) => {
    // Below what they wait for, so that lines cross as little as can be.
    const wish = (step) => mean(step.dependsOn.map((other) => places.get(other)?.x).filter((x) => x !== undefined)) ?? width / 2;
    const ordered = row.map((step, index) => ({ step, index, x: wish(step) })).sort((a, b) => a.x - b.x || a.index - b.index);
    ordered.forEach(({ step }, index) => {
      const x = width / 2 + (index - (row.length - 1) / 2) * PITCH.x;
      places.set(step.id, { x, y: CARD.height / 2 + at * PITCH.y });
    });
  });
  const drawn = links.filter(({ from, to }) => places.has(from) && places.has(to) && from !== to);
  return {
    width,
    height: CARD.height + Math.max(0, rows.length - 1) * PITCH.y,
    places,
    rows: rows.map((row) => row.map((step) => step.id).sort((a, b) => places.get(a).x - places.get(b).x)),
    links: drawn.map((link) => ({
      from: places.get(link.from),
      to: places.get(link.to),
      kind: "step",
      // A line over more than one level goes round what lies between.
      around: span(link) > 1 ? (places.get(link.to).x < width / 2 ? -1 : 1) * PITCH.x * 0.75 : 0,
    })),
  };
}

/** The step that a key leads to: up and down a level, left and right within one; the same where there is none. */
export function neighbour({ rows, places }, id, key) {
  const row = rows.findIndex((one) => one.includes(id));
  if (row < 0) return rows[0]?.[0] ?? null;
  const at = rows[row].indexOf(id);
  if (key === "ArrowLeft" || key === "ArrowRight") return rows[row][at + (key === "ArrowLeft" ? -1 : 1)] ?? id;
  const next = rows[row + (key === "ArrowUp" ? -1 : 1)] ?? [];
  const away = (other) => Math.abs(places.get(other).x - places.get(id).x);
  return next.toSorted((a, b) => away(a) - away(b))[0] ?? id;
}

function standing(chain, workflow, artifact) {
  if (!workflow) return isOver(chain) ? "not_run" : "waiting";
  if (!["completed", "awaiting_approval"].includes(workflow.status) || !artifact || artifact.usable) return workflow.status;
  if (artifact.approval_status === "pending") return "awaiting_approval";
  return artifact.approval_status === "rejected" ? "rejected" : "unusable";
}

function definitionsOf(definition) {
  const steps = Array.isArray(definition?.steps) ? definition.steps : [];
  const named = steps.filter((step) => typeof step?.id === "string");
  const ids = new Set(named.map((step) => step.id));
  const others = (step) => (Array.isArray(step.depends_on) ? step.depends_on.filter((other) => ids.has(other)) : []);
  const server = (step) => (typeof step.server === "string" && step.server !== "any" ? step.server : "");
  return new Map(named.map((step) => [step.id, { dependsOn: [...new Set(others(step))], server: server(step) }]));
}

/** Each after all that it waits for; what a cycle keeps from ever running comes last. */
function levelsOf(declared) {
  const levels = new Map();
  let waiting = [...declared.keys()];
  for (let level = 0; waiting.length; level += 1) {
    const ready = waiting.filter((id) => declared.get(id).dependsOn.every((other) => levels.has(other)));
    for (const id of ready.length ? ready : waiting) levels.set(id, level);
    waiting = ready.length ? waiting.filter((id) => !levels.has(id)) : [];
  }
  return levels;
}

function mean(values) {
  return values.length ? values.reduce((a, b) => a + b, 0) / values.length : null;
}
