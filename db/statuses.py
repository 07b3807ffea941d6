"""Owns the status values. The migrations put the same values into CHECK constraints; a test compares the two."""

from __future__ import annotations

import re
from typing import Literal, get_args

ChainStatus = Literal["initializing", "awaiting_approval", "completed", "failed", "cancelled"]
"""Besides these, `executing_level_N` with N a whole number from 0."""

WorkflowStatus = Literal[
    "queued", "executing", "awaiting_approval", "completed", "failed", "skipped", "cancelled", "outcome_unknown"
]
ApprovalStatus = Literal["pending", "approved", "rejected", "auto_approved", "edited"]
TransferStatus = Literal["pending", "uploading", "completed", "failed"]

CHAIN_STATUSES: tuple[str, ...] = get_args(ChainStatus)
WORKFLOW_STATUSES: tuple[str, ...] = get_args(WorkflowStatus)
APPROVAL_STATUSES: tuple[str, ...] = get_args(ApprovalStatus)
TRANSFER_STATUSES: tuple[str, ...] = get_args(TransferStatus)

UNDER_WAY = ("queued", "executing")
"""Of a workflow or an attempt: its prompt waits, or runs."""

ENDED = ("completed", "failed", "skipped", "cancelled", "outcome_unknown")
"""Of a workflow or an attempt: it has a time of its end, `completed_at`."""

UNFINISHED_WORKFLOW = ("queued", "executing", "awaiting_approval", "outcome_unknown")
FINISHED_CHAIN = ("completed", "failed", "cancelled")
USABLE = ("approved", "auto_approved", "edited")

_EXECUTING = re.compile(r"executing_level_(0|[1-9][0-9]{0,8})\Z")


def is_chain_status(status: str) -> bool:
    """Whether `status` is one that a chain may have."""
    return status in CHAIN_STATUSES or _EXECUTING.match(status) is not None
