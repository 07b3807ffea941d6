"""`artifact-db chain check` and `chain schema`, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commanding import Shell

GRAPH = {"7": {"class_type": "A", "inputs": {"text": ""}}}
RIGHT = """\
name: film
steps:
  - { id: one, workflow: a.json, server: gpu-a }
  - { id: two, workflow: a.json, depends_on: [one] }
  - { id: three, workflow: a.json, depends_on: [one], parameters: { "7.text": "{{ one.output.text }}" } }
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A home with a configured server and a workflow."""
    shell = Shell(tmp_path)
    shell.data.mkdir(parents=True)
    (shell.data / "artifact-db.toml").write_text('[servers.gpu-a]\nurl = "http://127.0.0.1:9"\n')
    (tmp_path / "a.json").write_text(json.dumps(GRAPH))
    return shell


def test_a_chain_that_can_run_is_told_in_its_levels(shell: Shell) -> None:
    (shell.home / "film.yaml").write_text(RIGHT)
    done = shell.run("chain", "check", "film.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "film: 3 steps, one → two, three\n", "")
    told = json.loads(shell.run("chain", "check", "film.yaml", "--json").stdout)
    assert told == {"valid": True, "name": "film", "levels": [["one"], ["two", "three"]]}


def test_what_is_wrong_is_told_with_lines(shell: Shell) -> None:
    (shell.home / "film.yaml").write_text(RIGHT.replace("gpu-a", "gpu-z").replace("7.text", "8.text"))
    done = shell.run("chain", "check", "film.yaml")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "film.yaml: line 3: steps[0].server: no server 'gpu-z' is configured (configured: gpu-a; or `any`)",
        "film.yaml: line 5: steps[2].parameters[\"8.text\"]: the workflow has no node '8' (it has 7)",
    ]
    told = json.loads(shell.run("chain", "check", "film.yaml", "--json").stdout)
    assert [one["line"] for one in told["problems"]] == [3, 5]


def test_a_file_that_is_not_there_is_one_line(shell: Shell) -> None:
    done = shell.run("chain", "check", "none.yaml")
    assert done.returncode == 2
    assert done.stderr == "artifact-db: none.yaml cannot be read: No such file or directory\n"


def test_a_chain_that_is_wrong_is_no_unusable_argument_and_a_parameter_without_a_value_is_one(shell: Shell) -> None:
    (shell.home / "film.yaml").write_text(RIGHT)
    done = shell.run("chain", "run", "film.yaml", "--param", "width")
    assert (done.returncode, done.stderr) == (2, "artifact-db: --param width: write NAME=VALUE\n")
    (shell.home / "film.yaml").write_text(RIGHT.replace("gpu-a", "gpu-z"))
    assert shell.run("chain", "run", "film.yaml").returncode == 1


def test_the_schema_is_printed_for_editors(shell: Shell) -> None:
    done = shell.run("chain", "schema")
    assert json.loads(done.stdout)["title"] == "A chain of ComfyUI Artifact DB"
    assert not (shell.data / "artifacts.db").exists()
