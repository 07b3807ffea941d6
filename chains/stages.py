"""Owns the stages of a step: what it does, one after the other, under the names that an engine may have for each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """One of the things that a step does, in their order."""

    BEGIN = "create_workflow"
    DELIVER = "upload_artifact_to_server"
    EXECUTE = "execute_prompt"
    COLLECT = "download_and_store_artifacts"


@dataclass(frozen=True)
class Next:
    """What there is to do next for a step, in `wait` seconds. `stage` None: to look at the whole chain again."""

    stage: Stage | None
    wait: float = 0.0


OVER = Next(None)
