"""Recording, deciding and deleting in any order: the library agrees with the design's table, written down once more."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import invariants
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import artifacts, decisions, edits, trash, verifying
from comfyui_artifact_db.library.opening import open_library
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from making import Pictures
from reviewing import edit

USABLE = ("approved", "auto_approved", "edited")
KEYS = ("9:images:0", "9:images:1", "12:4:images:0")

picks = st.integers(0, 10_000)


@dataclass
class Version:
    """What the table knows of an artifact."""

    id: str
    key: str
    number: int
    status: str
    order: int
    deleted: bool = False
    left: tuple[bool, bool, str | None, str | None] = (False, False, None, None)

    @property
    def usable(self) -> bool:
        return self.status in USABLE and not self.deleted


class Table:
    """The table of the design, section 4, in its own words."""

    def __init__(self) -> None:
        self.versions: list[Version] = []
        self.current: Version | None = None
        self.heads: dict[str, Version | None] = {}

    def gives_way_to(self, version: Version) -> bool:
        return self.current is None or self.current.key == version.key or not self.current.usable

    def record(self, id: str, key: str, status: str) -> Version:
        number = 1 + sum(version.key == key for version in self.versions)
        new = Version(id, key, number, status, len(self.versions))
        self.versions.append(new)
        head = self.heads.get(key)
        if head is None or new.usable or not head.usable:
            self.heads[key] = new
        if self.current is None or (new.usable and number > 1 and self.gives_way_to(new)):
            self.current = new
        return new

    def approve(self, version: Version) -> None:
        if self.gives_way_to(version):
            self.current = version
        version.status = "approved"
        self.heads[version.key] = version

    def select(self, version: Version) -> None:
        self.current = self.heads[version.key] = version

    def delete(self, version: Version) -> None:
        was_head, was_current = self.heads.get(version.key) is version, self.current is version
        version.deleted = True
        left = sorted((v for v in self.versions if not v.deleted), key=lambda v: v.order, reverse=True)
        of_output = [v for v in left if v.key == version.key]
        usable = [v for v in of_output if v.usable]
        if was_head:
            self.heads[version.key] = next(iter([*usable, *of_output]), None)
        if was_current:
            self.current = next(iter([*usable, *(v for v in left if v.usable), *left]), None)
        head = self.heads.get(version.key)
        version.left = (was_head, was_current, head and head.id, self.current and self.current.id)

    def undelete(self, version: Version) -> None:
        version.deleted = False
        was_head, was_current, head_id, current_id = version.left
        head = self.heads.get(version.key)
        if head is None or (was_head and head.id == head_id):
            self.heads[version.key] = version
        if self.current is None or (was_current and self.current.id == current_id):
            self.current = version


class Reviewing(RuleBasedStateMachine):
    """People and servers at work on one workflow."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.library = open_library(load_config(self.folder, {}))
        self.pictures = Pictures(self.library)
        self.table = Table()

    def teardown(self) -> None:
        assert verifying.check(self.library) == []
        self.library.close()
        shutil.rmtree(self.folder)

    def pick(self, number: int, *statuses: str, deleted: bool = False) -> Version | None:
        fit = [v for v in self.table.versions if v.deleted is deleted and (not statuses or v.status in statuses)]
        return fit[number % len(fit)] if fit else None

    @initialize(status=st.sampled_from(["pending", "auto_approved"]), outputs=st.integers(1, 3))
    def first_outputs(self, status: str, outputs: int) -> None:
        made = self.pictures.record(keys=KEYS[:outputs], status=status)
        self.workflow_id = made[0].workflow_id
        for artifact in made:
            self.table.record(artifact.id, artifact.output_key, status)

    @rule(key=st.sampled_from(KEYS), status=st.sampled_from(["pending", "auto_approved", "approved"]))
    def record_again(self, key: str, status: str) -> None:
        made = self.pictures.one(workflow_id=self.workflow_id, keys=(key,), status=status)
        assert made.version == self.table.record(made.id, key, status).number

    @rule(number=picks)
    def approve(self, number: int) -> None:
        if version := self.pick(number, "pending", "rejected", "auto_approved"):
            decisions.approve(self.library, version.id, by="ann")
            self.table.approve(version)

    @rule(number=picks)
    def reject(self, number: int) -> None:
        if version := self.pick(number):
            decisions.reject(self.library, version.id, by="ann", reason=f"reason {number}")
            version.status = "rejected"

    @rule(number=picks)
    def ask_again(self, number: int) -> None:
        if version := self.pick(number, *USABLE):
            decisions.ask_again(self.library, version.id, by="ann")
            version.status = "pending"

    @rule(number=picks, status=st.sampled_from(["edited", "pending", "approved"]))
    def edit(self, number: int, status: str) -> None:
        if version := self.pick(number):
            edited = edit(self.library, version.id, status=status)
            assert edited.parent_artifact_id == version.id
            assert edited.version == self.table.record(edited.id, version.key, status).number

    @rule(number=picks)
    def restore(self, number: int) -> None:
        if version := self.pick(number, *USABLE):
            restored = edits.restore(self.library, version.id, version.id, by="ann")
            self.table.record(restored.id, version.key, "edited")

    @rule(number=picks)
    def select(self, number: int) -> None:
        if version := self.pick(number, *USABLE):
            decisions.select(self.library, version.id, by="ann")
            self.table.select(version)

    @rule(number=picks)
    def delete(self, number: int) -> None:
        if version := self.pick(number):
            trash.delete(self.library, version.id, by="ann")
            self.table.delete(version)

    @precondition(lambda self: any(version.deleted for version in self.table.versions))
    @rule(number=picks)
    def undelete(self, number: int) -> None:
        if version := self.pick(number, deleted=True):
            trash.undelete(self.library, version.id, by="ann")
            self.table.undelete(version)

    @invariant()
    def the_library_agrees_with_the_table(self) -> None:
        if not self.table.versions:
            return
        invariants.check(self.library)
        seen = {v.id: artifacts.get_artifact(self.library, v.id) for v in self.table.versions}
        current, heads = self.table.current, [head.id for head in self.table.heads.values() if head]
        assert [id for id, artifact in seen.items() if artifact.is_latest] == ([current.id] if current else [])
        assert {id for id, artifact in seen.items() if artifact.is_head} == set(heads)
        for version in self.table.versions:
            assert seen[version.id].approval_status == version.status
            assert seen[version.id].usable == version.usable
            assert (seen[version.id].deleted_at is not None) == version.deleted


TestReviewing = Reviewing.TestCase
TestReviewing.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
