"""Pins that a hub in a process of its own withstands schemathesis, which knows the contract and nothing of the program.

It sends what the contract allows and what it does not, follows what was made from route to route, leaves the token out,
and holds every answer against the document. `test_anything_at_all.py` goes deeper into bodies, and not beyond them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library.opening import open_library
from commanding import Shell
from making import Pictures

CONFIGURATION = 'local_trust = false\nmax_upload_mb = 1\n[servers.gpu-a]\nurl = "http://127.0.0.1:1"\n'

PROGRAM = Path(sys.executable).with_name("schemathesis")
MANNER = """
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "501"]
"""
"""501 is what the contract says of a route that is planned."""

CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "unsupported_method", "allow_header_conformance", "ignored_auth"),
    *("use_after_free", "ensure_resource_availability", "missing_required_header"),
)
"""All that there are, but what judges by the schema alone whether a request should have succeeded."""


def test_whatever_is_sent_is_answered_as_the_contract_says(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shell.data.mkdir(parents=True)
    (shell.data / "artifact-db.toml").write_text(CONFIGURATION)
    (tmp_path / "schemathesis.toml").write_text(MANNER)
    library = open_library(load_config(shell.data, {}))
    for status in ("pending", "pending", "auto_approved"):
        Pictures(library).one(status=status)
    library.close()
    token = shell.run("token", "create", "tester", "--role", "admin").stdout.strip()
    with shell.serving() as hub:
        done = subprocess.run(
            [
                *(str(PROGRAM), "--config-file", "schemathesis.toml", "run", f"{hub.url}/openapi.json"),
                *("--header", f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS)),
                *("--seed", "20261122", "--max-examples", "8", "--continue-on-failure", "--no-color"),
                *("--suppress-health-check", "all", "--request-timeout", "20", "--warnings", "off"),
            ],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            cwd=tmp_path,
            env=shell.environment(),
        )
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert "Tested: 6" in done.stdout, "most of the routes that there are"
        assert hub.get("/health").status_code == 200
    assert token not in done.stdout + done.stderr
