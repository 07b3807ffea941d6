"""Pins the interface itself: its types as a user's type checker sees them, and that it is the contract's, no other."""

from __future__ import annotations

import dataclasses
import inspect
import os
import shutil
import subprocess
import sys

import contract
import pytest
from comfyui_artifact_db import errors
from comfyui_artifact_db.client import ArtifactDB, problems, records
from comfyui_artifact_db.client.answering import ANSWERS
from comfyui_artifact_db.client.operations import ROUTES
from loading import ROOT

SCRIPT = """
from comfyui_artifact_db.client import ArtifactDB, connect, open_local, problems

def review(db: ArtifactDB, workflow_id: str) -> str:
    artifact = db.get_latest_artifact(workflow_id)
    reveal_type(artifact)
    reveal_type(db.get_latest_artifact(workflow_id, usable=True))
    reveal_type(db.get_chain(id="x").workflows)
    reveal_type(db.list_artifacts(queue=True))
    try:
        db.upload_artifact_to_server(artifact_id="x", target_server="gpu-b")
    except problems.NotUsable as problem:
        reveal_type(problem.artifact)
        reveal_type(problem.status)
        reveal_type(problem.code)
    except problems.Incomplete as problem:
        reveal_type(problem.missing)
    db.update_workflow(workflow_id, status="completed", error_message=None)
    return artifact.filename if artifact else "none"

review(connect("http://127.0.0.1:8190"), "x")
review(open_local(), "x")
"""
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
REVEALED = [
    "comfyui_artifact_db.client.records.Artifact | None",
    "comfyui_artifact_db.client.records.Artifact",
    "list[comfyui_artifact_db.client.records.WorkflowSummary]",
    "typing.Iterator[comfyui_artifact_db.client.records.Artifact]",
    "comfyui_artifact_db.client.records.Artifact | None",
    "int",
    "str",
    "list[dict[str, Any]]",
]
WRONG = """
from comfyui_artifact_db.client import connect

db = connect()
db.get_latest_artifact("x").filename
db.update_workflow("x", status="done")
db.update_workflow("x", colour="red")
db.update_artifact("x", approval_status="approved")
db.approve_artifact(5)
db.upload_artifact_to_server(target_server="gpu-b")
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What `mypy --strict` says of a user's two scripts, with the package installed as it is here."""
    if sys.platform == "win32":
        pytest.skip("links need a right there that not everybody has")
    folder = tmp_path_factory.mktemp("user")
    (folder / "right.py").write_text(SCRIPT)
    (folder / "wrong.py").write_text(WRONG)
    for example in EXAMPLES:
        shutil.copy(example, folder)
    packages = folder / "packages"
    packages.mkdir()
    (packages / "comfyui_artifact_db").symlink_to(ROOT, target_is_directory=True)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--follow-imports=silent",
            "right.py",
            "wrong.py",
            *(example.name for example in EXAMPLES),
        ],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(packages), "MYPY_CACHE_DIR": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout.splitlines()


def test_a_users_type_checker_sees_every_type(said: list[str]) -> None:
    right = [line for line in said if line.startswith("right.py")]
    assert [line.split('"')[1] for line in right if "Revealed type" in line] == REVEALED
    assert [line for line in right if " error: " in line] == []


def test_the_examples_are_typed(said: list[str]) -> None:
    assert [line for line in said if " error: " in line and not line.startswith("wrong.py")] == []
    assert len(EXAMPLES) == 4


def test_a_users_type_checker_sees_every_mistake(said: list[str]) -> None:
    wrong = [line.split(":")[1] for line in said if line.startswith("wrong.py") and " error: " in line]
    assert sorted(set(map(int, wrong))) == [5, 6, 7, 8, 9, 10]


def test_operations_are_those_of_the_contract_and_both_ways_have_each() -> None:
    described = {op.name: (op.method.upper(), op.path) for op in contract.operations()}
    assert {name: described.get(name) for name in ROUTES} == ROUTES
    assert ANSWERS.keys() == ROUTES.keys() - {"call_engine"}, "an engine with a library needs no such call"


@pytest.mark.parametrize(
    "name",
    [
        *("ChainSummary", "Chain", "ChainDetails", "WorkflowSummary", "Workflow", "WorkflowDetails", "Attempt"),
        *("Artifact", "Transfer", "Event", "Lineage", "TagCount", "Server", "Queue"),
    ],
)
def test_a_record_has_the_members_of_its_schema(name: str) -> None:
    schema = contract.DOCUMENT["components"]["schemas"][name]
    cls = getattr(records, name)
    assert {field.name for field in dataclasses.fields(cls)} == set(schema["properties"])


def test_statuses_are_those_of_the_contract() -> None:
    schemas = contract.DOCUMENT["components"]["schemas"]
    for name in ("ApprovalStatus", "WorkflowStatus", "TransferStatus"):
        assert set(getattr(records, name).__args__) == set(schemas[name]["enum"])


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name != "ArtifactDBError"])
def test_every_error_of_the_library_has_its_problem_in_the_same_place_of_the_tree(name: str) -> None:
    error, problem = getattr(errors, name), getattr(problems, name)
    assert issubclass(problem, error)
    assert issubclass(problem, problems.Problem)
    for other in errors.__all__:
        if other != "ArtifactDBError":
            assert issubclass(problem, getattr(problems, other)) == issubclass(error, getattr(errors, other))
    assert type(problems.told(error.code, "x")) is problem


def test_the_names_of_the_design_are_there_and_every_call_says_what_it_does() -> None:
    calls = {name: call for name, call in inspect.getmembers(ArtifactDB, inspect.isfunction) if name[0] != "_"}
    assert {
        *("create_chain", "create_workflow", "download_and_store_artifacts", "get_latest_artifact", "create_artifact"),
        *("upload_artifact_to_server", "approve_artifact", "reject_artifact", "get_workflow", "get_workflow_by_step"),
        *("get_workflows_by_chain", "get_chain", "update_artifact"),
    } <= calls.keys()
    assert [name for name, call in calls.items() if not call.__doc__] == []


def test_whoever_only_connects_loads_no_database() -> None:
    script = (
        "import loading, sys; from comfyui_artifact_db.client import connect; connect('http://127.0.0.1:1')\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'peewee', 'PIL', 'av', 'aiohttp', 'jinja2'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT / "tests", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
