"""Owns handovers: the outputs of one execution that another machine hands in together, with what it knows of it.

A machine that keeps no database tells of an execution in the words of `Run`, or of an attempt that is there. It chooses
the ids of its artifacts, so that a handover whose answer was lost is made again and records nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_rows
from ..db.statuses import WORKFLOW_STATUSES
from ..errors import Invalid
from ..media.kinds import Kind, of_format
from ..storage.files import Part
from ..storage.local import Placement
from . import artifacts, attempts, identities, inputs, names, recording, runs
from .describing import described
from .uploads import STATUSES
from .views import Artifact

if TYPE_CHECKING:
    from .opening import Library

MOST_OUTPUTS = 500
"""How many outputs are handed in together."""

MOST_IDS = 10_000
"""How many artifacts may have gone into an execution."""

DOORS = ("node", "transfer", "upload")
"""Through which an artifact goes into an execution."""

READ = "read"
"""In their place, of files that it read: their hashes. Which artifacts these are is this hub's to know."""

FOLDERS = ("output", "temp", "input")

_REPORTED = tuple(status for status in WORKFLOW_STATUSES if status not in ("queued", "awaiting_approval", "skipped"))


@dataclass(frozen=True)
class Output:
    """What is handed in of one output beside its bytes, whose `sha256` the sender has."""

    artifact: recording.NewArtifact
    sha256: str

    def kind(self, told: Kind) -> Kind:
        """The kind that its bytes tell; but a text is one whatever it looks like, if its sender says so."""
        claimed = of_format(self.artifact.file_format)
        return claimed if claimed.file_type == "text" else told


@dataclass(frozen=True)
class Handover:
    """Whose outputs they are, and which. Exactly one of `run` and `attempt_id` is there."""

    outputs: tuple[Output, ...]
    workflow_id: str
    run: runs.Run | None = None
    attempt_id: str | None = None
    ending: attempts.Ending | None = None


def checked(library: Library, record: Mapping[str, Any]) -> Handover:
    """A handover from JSON, as the contract's `Handover` has it.

    Raises:
        Invalid: a field is missing, wrong or unknown; it says which.
    """
    fields = _Fields(record, "record")
    outputs = tuple(_output(fields.at(one, f"outputs[{i}]")) for i, one in enumerate(fields.several("outputs")))
    attempt_id = fields.get("attempt_id", identities.checked_id)
    run = fields.get("run", lambda value, where: _run(library, _Fields(value, where)))
    ending = fields.get("ending", lambda value, where: _ending(_Fields(value, where), attempt_id))
    workflow_id = fields.get("workflow_id", identities.checked_id) or identities.new_id()
    fields.close()
    if (run is None) == (attempt_id is None):
        raise Invalid("the record says whose outputs they are: by run, or by attempt_id", field="record.run")
    if not outputs and ending is None:
        raise Invalid("there are neither outputs nor an ending to record", field="record.outputs")
    ids = [output.artifact.artifact_id for output in outputs]
    if len(set(ids)) < len(ids):
        raise Invalid("two outputs have the same artifact_id", field="record.outputs")
    return Handover(outputs, workflow_id, run, attempt_id, ending)


def record_outputs(
    library: Library, handover: Handover, files: Sequence[tuple[Part, Kind]], *, by: str
) -> tuple[list[Artifact], bool]:
    """Record what is handed in, in one transaction. Without outputs, say how the execution ended.

    An ending without outputs is that of every attempt that holds the run and is open; where none ever held it, one is
    begun, so that it is told of.

    Args:
        files: the received bytes in the order of the outputs, not yet finished, with what they tell of their kind.
            They are the caller's to discard unless they were recorded.
    Returns:
        An artifact for each output, in their order: where it is to be recorded `once`, the one that stands for it.
        And whether any was recorded now.
    Raises:
        Invalid: there are more or fewer files than outputs, or bytes are not those of their sha256.
        NotFound: there is no such attempt, or the run names a chain by an id that none has.
        Deleted: it was recorded before, and is deleted for good since. Conflict: an id has other bytes.
    """
    _check_files(handover, files)
    handover = _with_inputs(library, handover)
    if not handover.outputs:
        _end(library, handover, by=by)
        return [], False
    ids = [output.artifact.artifact_id for output in handover.outputs]
    with library.reading():
        recording.refuse_deleted(ids)
        before = {row["id"] for row in _rows(ids)}
    kept = [_keep(library, handover, output, *file) for output, file in zip(handover.outputs, files, strict=True)]
    recorded = recording.record(
        library,
        kept,
        actor=by,
        workflow_id=handover.workflow_id,
        run=handover.run,
        attempt_id=handover.attempt_id,
        ending=handover.ending,
    )
    found = _standing(library, handover, recorded)
    return found, not before.issuperset(artifact.id for artifact in found)


def _check_files(handover: Handover, files: Sequence[tuple[Part, Kind]]) -> None:
    if len(files) != len(handover.outputs):
        raise Invalid(
            f"the record tells of {len(handover.outputs)} output(s), and {len(files)} file(s) came with it",
            field="file",
        )
    for index, (output, (part, _)) in enumerate(zip(handover.outputs, files, strict=True)):
        where = f"record.outputs[{index}].sha256"
        if part.sha256 != output.sha256:
            raise Invalid(f"the bytes that came are not those of {output.sha256}; nothing is recorded", field=where)


def _with_inputs(library: Library, handover: Handover) -> Handover:
    """The same with the artifacts in the place of the hashes of files."""
    ending = handover.ending
    if ending is None or READ not in ending.inputs:
        return handover
    told = {door: list(ids) for door, ids in ending.inputs.items()}
    hashes, run = told.pop(READ), handover.run
    if run is not None:
        server, prompt_id = run.server_address, run.prompt_id
    else:
        with library.reading():
            attempt = attempts.row_of(handover.attempt_id or "")
        server, prompt_id = attempt["server_address"], attempt["prompt_id"]
    for door, ids in inputs.recognised(library, hashes, server=server, prompt_id=prompt_id).items():
        told[door] = list(dict.fromkeys([*told.get(door, ()), *ids]))
    return replace(handover, ending=replace(ending, inputs=told))


def _keep(
    library: Library, handover: Handover, output: Output, part: Part, told: Kind
) -> tuple[recording.NewArtifact, Placement]:
    new, kind = output.artifact, output.kind(told)
    day = identities.now()[:10]
    placement = library.store.finish(part, artifact_id=new.artifact_id, extension=kind.file_format, day=day)
    maker = handover.run or handover.ending
    found = described(part.path, kind, graph=maker.workflow_definition if maker else None, node_id=new.node_id)
    metadata = {**found, **new.metadata}
    return replace(new, file_type=kind.file_type, file_format=kind.file_format, metadata=metadata), placement


def _end(library: Library, handover: Handover, *, by: str) -> None:
    run, ending = handover.run, handover.ending
    assert ending is not None
    with library.writing(by) as tx:
        if run is None:
            attempts.end(tx, ending)
            return
        if runs.holder(run) is None:
            runs.begin(tx, run, handover.workflow_id)
        attempts.finish_all(tx, run.server_address, run.prompt_id, ending.status, ending.error, ending.inputs)


def _standing(library: Library, handover: Handover, recorded: recording.Recorded) -> list[Artifact]:
    with library.reading():
        rows = {row["id"]: row for row in _rows(recorded.artifact_ids)}
        held = handover.attempt_id or (runs.holder(handover.run) if handover.run else None)
        others = runs.recorded_outputs(held) if held and len(rows) < len(recorded.artifact_ids) else {}
        standing = [
            rows.get(output.artifact.artifact_id) or others.get(output.artifact.output_key)
            for output in handover.outputs
        ]
        return artifacts.views(library, [row for row in standing if row is not None])


def _rows(ids: Sequence[str]) -> list[dict[str, Any]]:
    table = models.Artifact
    return all_rows(table.select().where(table.id.in_(list(ids))))


class _Fields:
    """The members of a JSON object, each taken once; what is left at the end is unknown."""

    def __init__(self, value: Any, where: str) -> None:
        self._values = dict(names.checked_object(value, where))
        self._where = where
        self._known: list[str] = []

    def at(self, value: Any, name: str) -> _Fields:
        """An object inside of this one."""
        return _Fields(value, f"{self._where}.{name}")

    def get(self, name: str, check: Callable[[Any, str], Any]) -> Any:
        """A member as it should be; None where it is absent or null."""
        self._known.append(name)
        value = self._values.pop(name, None)
        return None if value is None else check(value, f"{self._where}.{name}")

    def need(self, name: str, check: Callable[[Any, str], Any]) -> Any:
        """The same of a member that has to be there."""
        value = self.get(name, check)
        if value is None:
            raise Invalid(f"{self._where}.{name} is missing", field=f"{self._where}.{name}")
        return value

    def several(self, name: str, check: Callable[[Any, str], Any] | None = None, most: int = MOST_OUTPUTS) -> list[Any]:
        """A list, empty where it is absent, each of whose items is checked."""
        where = f"{self._where}.{name}"
        values = self.get(name, lambda value, _: value) or []
        if not isinstance(values, list) or len(values) > most:
            raise Invalid(f"{where} is a list of up to {most}", field=where)
        return values if check is None else [check(value, f"{where}[{index}]") for index, value in enumerate(values)]

    def close(self) -> None:
        """Refuse what nobody asked for."""
        for name in self._values:
            accepted = ", ".join(self._known)
            raise Invalid(f"unknown field {self._where}.{name}; accepted: {accepted}", field=f"{self._where}.{name}")


def _output(fields: _Fields) -> Output:
    artifact_id = fields.need("artifact_id", identities.checked_id)
    output_key = fields.need("output_key", names.checked_output_key)
    new = recording.NewArtifact(
        artifact_id=artifact_id,
        output_key=output_key,
        filename=fields.need("filename", names.checked_filename),
        file_type="other",
        file_format=fields.get("file_format", names.checked_text) or "",
        metadata=fields.get("metadata", names.checked_object) or {},
        node_id=fields.get("node_id", names.checked_text) or output_key.rsplit(":", 2)[0],
        subfolder=fields.get("subfolder", names.checked_subfolder) or "",
        comfy_folder_type=fields.get("comfy_folder_type", names.one_of(FOLDERS)) or "output",
        status=fields.get("approval_status", names.one_of(STATUSES)),
        tags=tuple(dict.fromkeys(fields.several("tags", names.checked_tag))),
        once=fields.get("once", names.checked_flag) or False,
    )
    output = Output(new, fields.need("sha256", names.checked_sha256))
    fields.close()
    return output


def _run(library: Library, fields: _Fields) -> runs.Run:
    run = runs.Run(
        server_address=library.config.server_label(fields.need("server_address", names.checked_text)),
        prompt_id=fields.need("prompt_id", names.checked_text),
        workflow_name=fields.need("workflow_name", names.checked_text),
        chain=fields.get("chain", _name) or "",
        step=fields.get("step", _name) or "",
        workflow_definition=fields.get("workflow_definition", names.checked_object),
        extra_pnginfo=fields.get("extra_pnginfo", names.checked_object),
        client_id=fields.get("client_id", names.checked_text),
        requested_by=fields.get("requested_by", names.checked_text),
        inputs=fields.several("inputs", identities.checked_id, MOST_IDS),
        others=fields.several("others", identities.checked_id),
    )
    fields.close()
    return run


def _ending(fields: _Fields, attempt_id: str | None) -> attempts.Ending:
    went_in = fields.get("inputs", _doors) or {}
    ending = attempts.Ending(
        attempt_id=attempt_id,
        status=fields.need("status", names.one_of(_REPORTED)),
        error=fields.get("error", _message),
        workflow_definition=fields.get("workflow_definition", names.checked_object),
        extra_pnginfo=fields.get("extra_pnginfo", names.checked_object),
        client_id=fields.get("client_id", names.checked_text),
        inputs=went_in,
    )
    fields.close()
    return ending


def _doors(value: Any, where: str) -> dict[str, list[str]]:
    fields = _Fields(value, where)
    doors = {door: fields.several(door, identities.checked_id, MOST_IDS) for door in DOORS}
    doors[READ] = fields.several(READ, names.checked_sha256)
    fields.close()
    return {door: ids for door, ids in doors.items() if ids}


def _name(value: Any, where: str) -> str:
    return names.checked_name(value, where, empty=True)


def _message(value: Any, where: str) -> str:
    """What a server reported, as it stands: tracebacks have line ends and control characters of all kinds."""
    if not isinstance(value, str):
        raise Invalid(f"{where} is not a text", field=where)
    return value
