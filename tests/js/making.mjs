/** Artifacts as the hub answers them, and a client that answers from a list. */

let made = 0;

export function artifact(changes = {}) {
  made += 1;
  return {
    id: `id-${made}`,
    workflow_id: "workflow",
    filename: `picture-${made}.png`,
    output_key: `output-${made}`,
    file_type: "image",
    approval_status: "pending",
    usable: false,
    is_latest: false,
    is_head: true,
    version: 1,
    revision: 1,
    sha256: "f".repeat(64),
    tags: [],
    metadata: {},
    deleted_at: null,
    created_at: new Date(Date.UTC(2026, 10, 22, 0, 0, made)).toISOString(),
    ...changes,
  };
}

/** Answers `artifacts` with pages of `all`, newest first, as the hub does; `asked` keeps what was asked for. */
export function paging(all, size = 3) {
  const asked = [];
  return {
    asked,
    all,
    async artifacts(filters, { cursor } = {}) {
      asked.push({ filters, cursor });
      const start = cursor ? Number(cursor) : 0;
      const items = all.slice(start, start + size);
      return { items, next_cursor: start + size < all.length ? String(start + size) : null };
    },
  };
}
