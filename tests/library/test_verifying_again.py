"""Pins that a check goes on where it was interrupted, forgets no finding, and remembers how long the log was."""

from __future__ import annotations

import json
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import verifying_runs
from comfyui_artifact_db.library import decisions, events, proving, verifying
from comfyui_artifact_db.library.opening import Library
from making import Pictures
from tampering import kept, tamper
from verifying_runs import cut_log


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two files, and nothing that is written only every second."""
    verifying_runs.pages_of(monkeypatch, 2)
    monkeypatch.setattr(verifying, "SAVE_EVERY", 0)


class Interrupting:
    """Hashes files until there were enough, then interrupts as Ctrl-C does."""

    def __init__(self, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[str] = []
        self.left = 1_000_000
        digest = library.store.digest

        def counting(local_path: str) -> str | None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            self.seen.append(local_path)
            return digest(local_path)

        monkeypatch.setattr(library.store, "digest", counting)
        monkeypatch.setattr(proving, "THREADS", 1)


def state(library: Library) -> dict[str, Any]:
    path = Path(f"{library.database.path}.verify.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def found(library: Library, **how: Any) -> list[str]:
    with closing(verifying.verify(library, **how)) as findings:
        return [f"{finding.kind} {finding.artifact_id or finding.entity_id}" for finding in findings]


def test_an_interrupted_check_hashes_only_what_is_left(
    library: Library, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [pictures.one() for _ in range(9)]
    hashing = Interrupting(library, monkeypatch)
    hashing.left = 5
    with pytest.raises(KeyboardInterrupt):
        found(library)
    assert {"events", "artifacts", "heads"} <= set(state(library)["run"]["done"])
    hashing.left, before = 100, list(hashing.seen)
    assert found(library) == []
    assert len(before) == 5
    assert len(hashing.seen) == 5 + 5, "the four of two whole pages were proven, five were left"
    assert {library.store.relative(p.local_path) for p in made} == set(hashing.seen)
    assert state(library)["run"] is None


def test_restart_begins_anew(library: Library, pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(6):
        pictures.one()
    hashing = Interrupting(library, monkeypatch)
    hashing.left = 4
    with pytest.raises(KeyboardInterrupt):
        found(library)
    hashing.left = 100
    hashing.seen.clear()
    assert found(library, restart=True) == []
    assert len(hashing.seen) == 6


@pytest.mark.parametrize("left", range(1, 9))
def test_what_was_found_before_an_interruption_is_found_again_after_it(
    library: Library, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    made = [pictures.one() for _ in range(7)]
    for picture in (made[0], made[3], made[6]):
        tamper(picture, b"other bytes", unseen=True)
    for picture in (made[2], made[6]):
        verifying_runs.forge(library, "UPDATE artifacts SET filename = 'x' WHERE id = ?", picture.id)
    whole = [f"{f.kind} {f.artifact_id}" for f in verifying.check(library)]
    assert len(whole) == 5
    hashing = Interrupting(library, monkeypatch)
    for _ in range(3):
        hashing.left = left
        with suppress(KeyboardInterrupt):
            found(library)
    hashing.left = 100
    assert sorted(found(library)) == sorted(whole)
    assert sorted(found(library)) == sorted(whole), "a whole run begins anew and finds it all again"


def test_what_was_found_on_the_last_page_of_a_step_is_found_again(
    library: Library, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [pictures.one() for _ in range(7)]
    verifying_runs.forge(library, "UPDATE artifacts SET filename = 'x' WHERE id = ?", made[6].id)
    hashing = Interrupting(library, monkeypatch)
    hashing.left = 3
    with pytest.raises(KeyboardInterrupt):
        found(library)
    hashing.left = 100
    assert found(library) == [f"row_changed {made[6].id}"]


def test_what_was_mended_meanwhile_is_not_found_again(
    library: Library, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [pictures.one() for _ in range(6)]
    right = kept(made[0])
    tamper(made[0], b"other bytes")
    hashing = Interrupting(library, monkeypatch)
    hashing.left = 6
    with pytest.raises(KeyboardInterrupt):
        found(library)
    tamper(made[0], right)
    hashing.left = 100
    assert found(library) == []


def test_more_findings_than_are_remembered_are_all_found_again(
    library: Library, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "MAX_AGAIN", 1)
    made = [pictures.one() for _ in range(9)]
    for picture in made:
        tamper(picture, b"other bytes")
    hashing = Interrupting(library, monkeypatch)
    hashing.left = 13
    with pytest.raises(KeyboardInterrupt):
        found(library)
    hashing.left = 100
    assert sorted(found(library)) == sorted(f"file_changed {picture.id}" for picture in made)


def test_a_state_that_cannot_be_read_counts_for_nothing(library: Library, pictures: Pictures) -> None:
    pictures.one()
    path = Path(f"{library.database.path}.verify.json")
    for text in ("", "{", "[]", '{"format": 9}', '{"format": 1, "anchor": ["x"], "run": {}}', "null"):
        path.write_text(text)
        assert found(library) == []


def test_a_log_that_was_cut_where_no_row_tells_is_found_by_what_was_proven_before(
    library: Library, pictures: Pictures
) -> None:
    picture = pictures.one()
    decisions.tag(library, picture.id, "a", by="ann")
    decisions.untag(library, picture.id, "a", by="ann")
    assert found(library) == []
    last = events.last_seq(library)
    with cut_log(library, last - 1, last):
        assert verifying.check(library) == [], "the rows are as if nothing had been"
        assert found(library) == [f"log_cut {last}"]
        assert found(library) == [f"log_cut {last}"], "it is said until somebody says that it is meant to be so"
        assert found(library, restart=True) == []
    assert found(library) == []


def test_a_log_that_goes_on_after_a_check_is_right(library: Library, pictures: Pictures) -> None:
    pictures.one()
    assert found(library) == []
    pictures.one()
    assert found(library) == []
    assert state(library)["anchor"][0] == events.last_seq(library)


def test_a_folder_that_takes_no_file_costs_only_the_memory(
    library: Library, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures.one()
    Path(f"{library.database.path}.verify.json").mkdir()
    assert found(library) == []
    assert not list(library.database.path.parent.glob("*.part"))
