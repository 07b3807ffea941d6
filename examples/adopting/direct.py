"""What a chain takes the place of: a script that copies a picture from one ComfyUI server to the next.

python3 direct.py PHOTO RESULT [--hub URL]      GPU_A and GPU_B have the addresses of the servers

With --hub it also tells a hub which prompts it ran (docs/adopting.md); whatever becomes of that, the script goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from recording import Recording

HERE = Path(__file__).resolve().parent
STEPS = (("negative", "gpu-a"), ("small", "gpu-b"))


def main() -> None:
    """Run both steps, and keep the last picture."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photo", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--hub", help="record there what is run, such as http://127.0.0.1:8190/artifact-db")
    options = parser.parse_args()
    urls = {"gpu-a": os.environ["GPU_A"], "gpu-b": os.environ["GPU_B"]}
    recording = Recording(options.hub, "by-script")
    picture = options.photo.read_bytes()
    for step, server in STEPS:
        graph = json.loads((HERE / f"{step}.json").read_text(encoding="utf-8"))
        graph["1"]["inputs"]["image"] = upload(urls[server], f"{step}-in.png", picture)
        prompt_id, picture = run(urls[server], graph)
        recording.ran(step, server, prompt_id)
    recording.done()
    options.result.write_bytes(picture)


def upload(url: str, name: str, picture: bytes) -> str:
    """Put a picture into a server's input folder; returns its name there."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'.encode()
    body = head + picture + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/upload/image", body, headers)) as answer:
        return str(json.load(answer)["name"])


def run(url: str, graph: dict[str, Any]) -> tuple[str, bytes]:
    """Run a graph; returns the prompt's id and the picture that it saved."""
    body = json.dumps({"prompt": graph, "client_id": uuid.uuid4().hex}).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/prompt", body, headers)) as answer:
        prompt_id = json.load(answer)["prompt_id"]
    while True:
        with urllib.request.urlopen(f"{url}/history/{prompt_id}") as answer:
            entry = json.load(answer).get(prompt_id)
        if entry:
            break
        time.sleep(0.2)
    (image,) = entry["outputs"]["9"]["images"]
    with urllib.request.urlopen(f"{url}/view?{urllib.parse.urlencode(image)}") as answer:
        return prompt_id, answer.read()


if __name__ == "__main__":
    main()
