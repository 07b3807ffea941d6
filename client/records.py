"""Owns what calls give back: frozen records with the members that the contract's schemas have, by the same names.

Made from JSON as the hub sends it; members that a later release adds are left out. `asdict` makes JSON of them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeVar

R = TypeVar("R", bound="Record")

ApprovalStatus = Literal["pending", "approved", "rejected", "auto_approved", "edited"]
WorkflowStatus = Literal[
    "queued", "executing", "awaiting_approval", "completed", "failed", "skipped", "cancelled", "outcome_unknown"
]
TransferStatus = Literal["pending", "uploading", "completed", "failed"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """Times are UTC in ISO 8601 with milliseconds, ids are UUIDs as text, sizes are bytes."""

    @classmethod
    def from_json(cls: type[R], body: Mapping[str, Any]) -> R:
        """From JSON, as the hub sends it."""
        return cls(**{field.name: body[field.name] for field in fields(cls)})

    def asdict(self) -> dict[str, Any]:
        """As JSON, under the names of the contract."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class _ChainColumns(Record):
    id: str
    name: str
    description: str | None
    temporal_workflow_id: str | None
    temporal_run_id: str | None
    status: str
    """initializing, executing_level_N, awaiting_approval, completed, failed or cancelled"""
    current_level: int
    started_at: str
    completed_at: str | None
    error_message: str | None
    created_at: str
    updated_at: str
    revision: int
    deleted_at: str | None


@dataclass(frozen=True, kw_only=True)
class ChainSummary(_ChainColumns):
    """One run of a pipeline, as lists show it; `overview` where it was asked for."""

    overview: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Chain(_ChainColumns):
    """One run of a pipeline."""

    chain_definition: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class WorkflowSummary(Record):
    """One step of a chain or one standalone run of a graph, as lists show it."""

    id: str
    chain_id: str | None
    step_id: str | None
    workflow_name: str
    server_address: str
    prompt_id: str
    temporal_workflow_id: str | None
    temporal_run_id: str | None
    status: WorkflowStatus
    latest_artifact_id: str | None
    queued_at: str
    started_at: str | None
    completed_at: str | None
    error_message: str | None
    created_at: str
    updated_at: str
    requires_approval: bool
    revision: int


@dataclass(frozen=True, kw_only=True)
class Workflow(WorkflowSummary):
    """One step of a chain or one standalone run of a graph; `parameters` by `node_id.input`."""

    workflow_definition: dict[str, Any] | None
    parameters: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Attempt(Record):
    """One execution of a workflow's graph on a server."""

    id: str
    workflow_id: str
    number: int
    server_address: str
    prompt_id: str
    status: WorkflowStatus
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
    overrides: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class WorkflowDetails(Workflow):
    """A workflow with its attempts, and what its chain is called."""

    chain_name: str | None
    attempts: list[Attempt]

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> WorkflowDetails:
        return super().from_json({**body, "attempts": [Attempt.from_json(one) for one in body["attempts"]]})


@dataclass(frozen=True, kw_only=True)
class Transfer(Record):
    """One delivery of one artifact; `target_filename` is what a LoadImage-like widget of the target is given."""

    id: str
    artifact_id: str
    source_workflow_id: str
    target_workflow_id: str | None
    target_server: str
    target_subfolder: str
    status: TransferStatus
    uploaded_at: str | None
    error_message: str | None
    created_at: str
    attempts: int
    target_filename: str | None
    receipt_sha256: str | None
    requested_by: str | None
    updated_at: str


@dataclass(frozen=True, kw_only=True)
class Drive(Record):
    """How an engine drives a chain."""

    engine: str
    parameters: dict[str, Any]
    source_chain_id: str | None
    started_by: str
    ended_at: str | None


@dataclass(frozen=True, kw_only=True)
class NodeProgress(Record):
    """The node of a step's graph that runs at this moment, and how many of how many parts of it are done."""

    step_id: str
    workflow_id: str
    server: str
    node_id: str
    node_type: str
    value: float | None
    max: float | None
    elapsed: float


@dataclass(frozen=True, kw_only=True)
class ChainDetails(Chain):
    """A chain with its steps, how it is driven, the deliveries for it that failed last, and the nodes that run."""

    workflows: list[WorkflowSummary]
    drive: Drive | None
    undelivered: list[Transfer]
    progress: list[NodeProgress]

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ChainDetails:
        made = {
            "workflows": [WorkflowSummary.from_json(one) for one in body["workflows"]],
            "drive": None if body["drive"] is None else Drive.from_json(body["drive"]),
            "undelivered": [Transfer.from_json(one) for one in body["undelivered"]],
            "progress": [NodeProgress.from_json(one) for one in body["progress"]],
        }
        return super().from_json({**body, **made})


@dataclass(frozen=True, kw_only=True)
class Artifact(Record):
    """One version of one output. `local_path` is absolute in the process of the library, else relative to the store."""

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
    approval_status: ApprovalStatus
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
    revision: int
    usable: bool
    tags: list[str]
    url: str
    thumbnail_url: str


@dataclass(frozen=True, kw_only=True)
class Related(Record):
    """One step of a lineage: `artifact` is the `relation` (parent, input or source) of `of`, or the other way down."""

    artifact: Artifact
    relation: str
    of: str
    depth: int


@dataclass(frozen=True, kw_only=True)
class Lineage(Record):
    """What an artifact was made from and what was made of it, nearest first.

    `links` have `from`, `to` and `relation`; `gone` are those that cannot be shown.
    """

    artifact: Artifact
    ancestors: list[Related]
    descendants: list[Related]
    links: list[dict[str, Any]]
    gone: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Event(Record):
    """One row of the log: who did what to which entity, when, and how it was before and after."""

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


@dataclass(frozen=True, kw_only=True)
class TagCount(Record):
    """A tag with the number of artifacts that have it."""

    tag: str
    count: int


@dataclass(frozen=True, kw_only=True)
class TagsChanged(Record):
    """An artifact after its tags were changed; `tags` None where there is no such artifact."""

    id: str
    status: int
    tags: list[str] | None


@dataclass(frozen=True, kw_only=True)
class Server(Record):
    """A ComfyUI server that the operator registered by name, and how it is: `up`, `away`, or `wrong` (`error`: why)."""

    name: str
    url: str
    status: str
    queue: int | None
    version: str | None
    error: str | None


@dataclass(frozen=True, kw_only=True)
class Queue(Record):
    """How many artifacts wait for a decision; `more`: there are more than were counted."""

    waiting: int
    more: bool
