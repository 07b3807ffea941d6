"""Owns what templates see of the steps before: their current artifacts, delivered where a step is about to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..library.views import Artifact, Workflow
from .expressions import BadExpression

if TYPE_CHECKING:
    from .records import Records

LONGEST_TEXT = 1024 * 1024
"""Bytes of a text that a template may put into a widget."""

Put = Callable[[Artifact], str]
"""Gives what a widget is to have for an artifact: a text itself, and of all else what a LoadImage-like one calls it."""


class StepOutputs:
    """A step that has ended, as templates name it: `step.output.image`, `step.outputs['9:images:1']`, `step.status`."""

    def __init__(self, records: Records, step_id: str, workflow: Workflow, put: Put) -> None:
        self._records, self._step_id, self._workflow, self._put = records, step_id, workflow, put

    @property
    def status(self) -> str:
        return self._workflow.status

    @property
    def skipped(self) -> bool:
        return self._workflow.status == "skipped"

    @property
    def output(self) -> Output:
        return Output(self._step_id, self._records.list_heads(self._workflow.id), self._put)

    @property
    def outputs(self) -> dict[str, Any]:
        heads = {artifact.output_key: artifact for artifact in self._records.list_heads(self._workflow.id)}
        return _ByKey(self._step_id, heads, self._put)


class Output:
    """What a step offers: the current artifact where it is of the kind asked for, else the first of that kind."""

    def __init__(self, step_id: str, heads: list[Artifact], put: Put) -> None:
        self._step_id, self._heads, self._put = step_id, heads, put

    @property
    def meta(self) -> dict[str, Any]:
        if not self._heads:
            raise BadExpression(f"step {self._step_id!r} has no output")
        return self._heads[0].metadata

    @property
    def image(self) -> str:
        return self._put(self._first("image"))

    @property
    def video(self) -> str:
        return self._put(self._first("video"))

    @property
    def audio(self) -> str:
        return self._put(self._first("audio"))

    @property
    def latent(self) -> str:
        return self._put(self._first("latent"))

    @property
    def text(self) -> str:
        """A text is put into the graph itself: there is no widget that loads one."""
        return self._put(self._first("text"))

    def _first(self, file_type: str) -> Artifact:
        found = next((artifact for artifact in self._heads if artifact.file_type == file_type), None)
        if found is None:
            raise BadExpression(f"step {self._step_id!r} has no output of kind {file_type}")
        return found


class _ByKey(dict[str, Any]):
    """Each output by its key, put when it is asked for."""

    def __init__(self, step_id: str, heads: dict[str, Artifact], put: Put) -> None:
        super().__init__(heads)
        self._step_id, self._put = step_id, put

    def __missing__(self, key: str) -> Any:
        raise BadExpression(f"step {self._step_id!r} has no output {key!r} (it has {', '.join(self) or 'none'})")

    def __getitem__(self, key: str) -> Any:
        return self._put(super().__getitem__(key))


def read_text(records: Records, artifact: Artifact) -> str:
    """The text of a usable artifact.

    Raises:
        NotUsable, Gone. BadExpression: it is too long, or no text.
    """
    if artifact.file_size > LONGEST_TEXT:
        raise BadExpression(f"the text has {artifact.file_size} bytes; {LONGEST_TEXT} at most go into a widget")
    try:
        return records.read(artifact).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadExpression("the text is not in UTF-8") from error
