"""Owns capturing: what a prompt on this ComfyUI has put out becomes artifacts, without any node of ours in its graph.

The files lie in ComfyUI's output folder, where they may be overwritten: they are cloned or copied, never linked. Files
that lie elsewhere are no results: previews in its temp folder, and what nodes show of the input folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..comfyui_client import History, Reported
from ..db import models
from ..errors import TooNew, Unavailable
from ..media.kinds import HEAD_SIZE, classify
from ..storage.files import digest
from ..storage.local import Store
from ..storage.sources import SourceFailed, place
from . import arrivals, attempts, identities, inputs, recording, runs
from .arrivals import Arrived, Missing
from .witnessing import ACTOR

if TYPE_CHECKING:
    from .opening import Library


def capture(
    library: Library,
    run: runs.Run,
    history: History,
    folder: Path,
    *,
    went_in: inputs.Inputs | None = None,
    for_good: bool = False,
) -> int:
    """Record what a prompt has put out and is not recorded yet, in one transaction, and how the prompt ended.

    A prompt that put out nothing new leaves no trace. Of the nodes that ComfyUI did not run again, since nothing had
    changed, nothing is new where these bytes are recorded under this output key already. While the database is away
    the files and their intent are on disk, as with our own nodes.

    Args:
        folder: ComfyUI's output folder.
        went_in: the artifacts that went into it.
        for_good: record what is there; the attempt then names the files that cannot be had, and has failed.
    Returns:
        How many outputs were recorded, or wait for the database.
    Raises:
        SourceFailed: a file is not there, or is being written; nothing is recorded unless `for_good`.
        StoreFailed: the store takes no more; nothing is recorded.
        Unavailable, TooNew: the database is away, and nothing waits for it.
    """
    wanted = _new(library, run, history, folder)
    arrived, missing = gather(library.store, wanted, history, folder, for_good=for_good)
    return _record(library, run, history, arrived, missing, went_in or {})


def results(history: History) -> list[Reported]:
    """What a prompt has put out and none of our nodes has recorded.

    Files come first, since the first of all is what the workflow offers.
    """
    outputs = [one for one in history.outputs if one.kept_as is None and _is_result(one)]
    outputs.sort(key=lambda output: output.text is not None)
    return outputs


def gather(
    store: Store, wanted: Sequence[Reported], history: History, folder: Path, *, for_good: bool = False
) -> tuple[list[Arrived], list[Missing]]:
    """Take outputs into the staging folder. Raises as `capture`; what was taken is then discarded."""
    arrived: list[Arrived] = []
    missing: list[Missing] = []
    try:
        for output in wanted:
            try:
                arrived.append(_take(store, output, history, folder))
            except SourceFailed as error:
                if not for_good:
                    raise
                missing.append(Missing(output, error))
    except BaseException:
        arrivals.discard(store, arrived)
        raise
    return arrived, missing


def ended(history: History, missing: Sequence[Missing], went_in: inputs.Inputs) -> attempts.Ending:
    """How the attempt ended whose outputs were gathered."""
    status, error = arrivals.ending(history, missing)
    return attempts.Ending(None, status, error, inputs=went_in)


def _new(library: Library, run: runs.Run, history: History, folder: Path) -> list[Reported]:
    outputs = results(history)
    try:
        with library.reading():
            held = runs.holder(run)
            known = runs.recorded_outputs(held) if held else {}
            outputs = [output for output in outputs if output.output_key not in known]
        again = [output for output in outputs if output.node_id in history.cached]
        old = {output.output_key for output in again if _is_recorded(library, output, folder)}
        return [output for output in outputs if output.output_key not in old]
    except (TooNew, Unavailable):
        # Whether something is recorded is seen again with the record; what a cached node made came long before.
        return [output for output in outputs if output.node_id not in history.cached]


def _is_result(output: Reported) -> bool:
    return bool(output.text) if output.text is not None else output.folder_type == "output"


def _is_recorded(library: Library, output: Reported, folder: Path) -> bool:
    """Whether its bytes were recorded under its output key, by whichever prompt; what is in the trash was."""
    try:
        if output.text is not None:
            sha256 = hashlib.sha256(output.text.encode()).hexdigest()
        else:
            sha256 = digest(place(folder, output.filename, output.subfolder))
    except (OSError, SourceFailed):
        return False
    table = models.Artifact
    with library.reading():
        same = table.select().where((table.sha256 == sha256) & (table.output_key == output.output_key))
        return bool(same.exists())


def _take(store: Store, output: Reported, history: History, folder: Path) -> Arrived:
    artifact_id = identities.new_id()
    if output.text is not None:
        return arrivals.keep_text(store, output, artifact_id=artifact_id, graph=history.graph)
    with store.copying(place(folder, output.filename, output.subfolder)) as part:
        kind = classify(part.beginning(HEAD_SIZE), output.filename)
        return arrivals.keep(store, part, output, kind, artifact_id=artifact_id, graph=history.graph)


def _record(
    library: Library,
    run: runs.Run,
    history: History,
    arrived: list[Arrived],
    missing: list[Missing],
    went_in: inputs.Inputs,
) -> int:
    ending = ended(history, missing, went_in)
    by, workflow_id = run.requested_by or ACTOR, identities.new_id()
    if arrived:
        outputs = [(one.as_artifact(), one.placement) for one in arrived]
        recording.record(
            library, outputs, actor=by, workflow_id=workflow_id, run=run, ending=ending, keep_when_unavailable=True
        )
    elif missing:
        with library.writing(by) as tx:
            attempts.end(tx, replace(ending, attempt_id=runs.begin(tx, run, workflow_id)[1]))
    return len(arrived)
