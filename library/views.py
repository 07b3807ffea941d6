"""Owns what the library hands out: frozen views of rows, never rows. Each has the columns of its table, no fewer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

V = TypeVar("V", bound="View")


@dataclass(frozen=True)
class View:
    """Made from a row as a mapping of column names; columns that a query left out keep their default."""

    @classmethod
    def of(cls: type[V], row: Mapping[str, Any], **more: Any) -> V:
        names = _names(cls)
        return cls(**{name: value for name, value in row.items() if name in names}, **more)


_NAMES: dict[type, frozenset[str]] = {}


def _names(cls: type[View]) -> frozenset[str]:
    if cls not in _NAMES:
        _NAMES[cls] = frozenset(f.name for f in fields(cls))
    return _NAMES[cls]


@dataclass(frozen=True)
class Chain(View):
    id: str
    name: str
    description: str | None
    temporal_workflow_id: str | None
    temporal_run_id: str | None
    status: str
    current_level: int
    started_at: str
    completed_at: str | None
    error_message: str | None
    created_at: str
    updated_at: str
    revision: int
    deleted_at: str | None
    purged_at: str | None
    chain_definition: dict[str, Any] | None = None


@dataclass(frozen=True)
class Workflow(View):
    id: str
    chain_id: str | None
    step_id: str | None
    workflow_name: str
    server_address: str
    prompt_id: str
    temporal_workflow_id: str | None
    temporal_run_id: str | None
    status: str
    latest_artifact_id: str | None
    queued_at: str
    started_at: str | None
    completed_at: str | None
    error_message: str | None
    created_at: str
    updated_at: str
    requires_approval: bool
    revision: int
    chain_deleted_at: str | None
    workflow_definition: dict[str, Any] | None = None
    parameters: dict[str, Any] | None = None


@dataclass(frozen=True)
class Attempt(View):
    id: str
    workflow_id: str
    number: int
    server_address: str
    prompt_id: str
    status: str
    parameters: dict[str, Any] | None
    workflow_definition: dict[str, Any] | None
    extra_pnginfo: dict[str, Any] | None
    client_id: str | None
    requested_by: str | None
    error_message: str | None
    queued_at: str
    started_at: str | None
    completed_at: str | None
    created_at: str
    updated_at: str


@dataclass(frozen=True)
class Drive(View):
    """`parameters` are the chain's own, with what was given in place of defaults."""

    chain_id: str
    engine: str
    parameters: dict[str, Any]
    source_chain_id: str | None
    started_by: str
    ended_at: str | None


@dataclass(frozen=True)
class Artifact(View):
    """`local_path` is absolute. `usable` is of the moment this view was made: by its state and its file."""

    id: str
    workflow_id: str
    filename: str
    local_filename: str
    local_path: str
    file_type: str
    file_format: str | None
    file_size: int
    node_id: str | None
    subfolder: str
    comfy_folder_type: str
    version: int
    is_latest: bool
    parent_artifact_id: str | None
    approval_status: str
    approved_by: str | None
    approved_at: str | None
    rejection_reason: str | None
    metadata: dict[str, Any]
    created_at: str
    updated_at: str
    output_key: str
    attempt_id: str | None
    is_head: bool
    sha256: str
    decided_sha256: str | None
    decided_by: str | None
    decided_at: str | None
    source_artifact_id: str | None
    bytes_removed_at: str | None
    deleted_at: str | None
    file_mtime_ns: int | None
    file_inode: int | None
    revision: int
    chain_deleted_at: str | None
    usable: bool
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Transfer(View):
    id: str
    artifact_id: str
    source_workflow_id: str
    target_workflow_id: str | None
    target_server: str
    target_subfolder: str
    status: str
    uploaded_at: str | None
    error_message: str | None
    created_at: str
    attempts: int
    target_filename: str | None
    receipt_sha256: str | None
    requested_by: str | None
    updated_at: str


@dataclass(frozen=True)
class Token(View):
    """All but the hash, which is nobody's to see."""

    id: str
    name: str
    role: str
    created_at: str
    created_by: str
    expires_at: str | None
    revoked_at: str | None

    def lives_at(self, now: str) -> bool:
        """Whether it lets anybody in at a time."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True)
class Event(View):
    seq: int
    at: str
    actor: str
    action: str
    entity_type: str
    entity_id: str
    chain_id: str | None
    workflow_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    previous_hash: str
    hash: str

    @classmethod
    def of_stored(cls, row: Mapping[str, Any]) -> Event:
        """`before` and `after` are kept as text, since the hash is over the text; this is where they are read."""
        parsed = {name: json.loads(row[name]) if row[name] is not None else None for name in ("before", "after")}
        return cls.of({**row, **parsed})


@dataclass(frozen=True)
class Related:
    """One step of a lineage: `artifact` is the `relation` of the artifact `of`, `depth` steps from where it began."""

    artifact: Artifact
    relation: str
    of: str
    depth: int


@dataclass(frozen=True)
class Gone:
    """A step of a lineage that cannot be shown: `side` is ancestor or descendant, the others are as in `Related`."""

    artifact_id: str
    side: str
    relation: str
    of: str
    depth: int
