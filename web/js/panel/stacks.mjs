/**
 * Owns what a list shows as one: the versions of an output, and the outputs of one node in one run. No DOM.
 */

/** The output that an artifact is a version of. */
export function outputOf(artifact) {
  return `${artifact.workflow_id}/${artifact.output_key}`;
}

/** The batch that an artifact belongs to; null where no node made it, as with what was uploaded. */
export function batchOf(artifact) {
  if (!artifact.node_id) return null;
  return `${artifact.workflow_id}/${artifact.output_key.replace(/\d+$/, "")}`;
}

/** Which one of its batch an artifact is, counted from 1. */
export function placeInBatch(artifact) {
  return Number(artifact.output_key.match(/\d+$/)?.[0] ?? 0) + 1;
}

/** What a batch is seen as: the one that is offered downstream, else its first picture. */
function faceOf(members) {
  return members.find((one) => one.is_latest) ?? members.reduce((a, b) => (placeInBatch(b) < placeInBatch(a) ? b : a));
}

export class Stacks {
  /** @param {boolean} [apart] each artifact stands for itself, as where each is decided on */
  constructor(apart = false) {
    this.apart = apart;
    /** What each stack is seen as, in the order of the list. */
    this.items = [];
    this.members = [];
    this.places = new Map();
    this.known = new Map();
  }

  /** Take in an artifact that is older than all before it. */
  add(artifact) {
    const [output, batch] = this.apart ? [artifact.id, null] : [outputOf(artifact), batchOf(artifact)];
    const below = this.known.get(output);
    const place = below ?? (batch === null ? undefined : this.known.get(batch)) ?? this.items.length;
    this.places.set(artifact.id, place);
    if (below !== undefined) return; // an earlier version: it lies under the one that is there
    this.known.set(output, place);
    if (batch !== null) this.known.set(batch, place);
    (this.members[place] ??= []).push(artifact);
    this.items[place] = faceOf(this.members[place]);
  }

  /** Put an artifact as it is now in the place of what it was; returns whether its stack looks like another one now. */
  replace(artifact) {
    const place = this.places.get(artifact.id);
    const members = this.members[place] ?? [];
    const index = members.findIndex((one) => one.id === artifact.id);
    if (index < 0) return false;
    members[index] = artifact;
    const before = this.items[place].id;
    this.items[place] = faceOf(members);
    return this.items[place].id !== before;
  }

  /** What an artifact's stack is seen as; undefined for one that is not in the list. */
  face(id) {
    return this.items[this.places.get(id)];
  }

  /** How many outputs a stack has. */
  size(place) {
    return this.members[place]?.length ?? 0;
  }
}
