"""What the examples share: opening a hub or a library, and running a graph on a ComfyUI server, as your runner does."""

from __future__ import annotations

import argparse
import random
import time
from typing import Any

import requests
from comfyui_artifact_db.client import ArtifactDB, connect, open_local
from comfyui_artifact_db.client.records import Workflow

COLOUR = random.getrandbits(24)
"""Another one each time: of a graph that it has run before, ComfyUI makes nothing again."""

DRAW = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 96, "height": 64, "batch_size": 1, "color": COLOUR}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "frame"}},
}
"""A graph that needs no model: a picture of one colour."""

INVERT = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "the name that the delivered picture has"}},
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "edited"}},
}
"""A graph that reads a picture and makes its negative."""


def parser(about: str | None) -> argparse.ArgumentParser:
    """Arguments of every example: which hub, or which folder."""
    made = argparse.ArgumentParser(description=about)
    where = made.add_mutually_exclusive_group(required=True)
    where.add_argument("--hub", metavar="URL", help="a hub; $ARTIFACT_DB_TOKEN is its token, if it wants one")
    where.add_argument("--local", metavar="FOLDER", help="no hub: the folder that has artifact-db.toml")
    return made


def opened(options: argparse.Namespace) -> ArtifactDB:
    """The one or the other; from here on nothing can tell them apart."""
    return connect(options.hub) if options.hub else open_local(options.local)


def execute_workflow(db: ArtifactDB, workflow: Workflow, graph: dict[str, Any], server: str) -> None:
    """Run a graph on a registered server and wait until it has ended; the database is told which prompt it is."""
    url = next(one.url for one in db.list_servers() if one.name == server)
    answer = requests.post(f"{url}/prompt", json={"prompt": graph}, timeout=30)
    answer.raise_for_status()
    prompt_id = answer.json()["prompt_id"]
    db.update_workflow(workflow.id, server=server, prompt_id=prompt_id, status="executing", workflow_definition=graph)
    while prompt_id not in requests.get(f"{url}/history/{prompt_id}", timeout=30).json():
        time.sleep(0.2)
