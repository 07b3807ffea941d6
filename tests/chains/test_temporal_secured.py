"""Pins Temporal servers that let nobody in without a key or a certificate: a real one behind a real nginx."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from certifying import authority
from chaining import Studio, step
from comfyui_artifact_db.chains.records import LocalRecords
from comfyui_artifact_db.chains.temporal import worker
from comfyui_artifact_db.config import Temporal as Server
from comfyui_artifact_db.errors import BadConfiguration, Unavailable
from proxies import nginx
from working import Temporal, a_worker

from devtools.servers import free_port

KEY = "k3y.of-the/studio"


@dataclass(frozen=True)
class Doors:
    """Ways in: `key` wants a key, `mutual` a certificate of its authority's, `plain` nothing, and has no TLS."""

    ca: Path
    certificate: Path
    key: Server
    mutual: Server
    plain: Server


@pytest.fixture(scope="module")
def doors(temporal: Temporal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("doors")
    ca, certificate = authority(folder)
    tls = f"ssl_certificate {certificate}; ssl_certificate_key {certificate}; ssl_client_certificate {ca};"
    passing = f"grpc_pass grpc://{temporal.address}; grpc_read_timeout 300s;"
    checks = {
        "key": (f'if ($http_authorization != "Bearer {KEY}") {{ return 401; }}', ""),
        "mutual": ("", "ssl_verify_client on;"),
    }
    addresses = {}
    with ExitStack() as stack:
        for name, (asks, shows) in checks.items():
            (folder / name).mkdir()
            port = free_port()
            # As nginx wrote `http2 on` until 1.25.
            block = f"server {{ listen 127.0.0.1:{port} ssl http2; {tls} {shows} location / {{ {asks} {passing} }} }}"
            stack.enter_context(nginx(folder / name, block, port))
            addresses[name] = f"127.0.0.1:{port}"
        yield Doors(
            *(ca, certificate),
            key=Server(addresses["key"], api_key=KEY, ca_file=ca),
            mutual=Server(addresses["mutual"], ca_file=ca, cert_file=certificate, key_file=certificate),
            plain=Server(temporal.address),
        )


@pytest.mark.engine("temporal")
@pytest.mark.parametrize("door", ["key", "mutual"])
def test_a_worker_that_shows_what_is_asked_for_drives_chains(studio: Studio, doors: Doors, door: str) -> None:
    chain = studio.begin(step("one", server="gpu-a"), step("two", "one", server="gpu-b"))
    with a_worker(LocalRecords(studio.library), getattr(doors, door)):
        studio.until(chain, "completed", 60)
    assert studio.made == 2


def refused(server: Server) -> str:
    with pytest.raises((Unavailable, BadConfiguration)) as refusal:
        asyncio.run(worker.connect(server))
    assert KEY not in str(refusal.value)
    return str(refusal.value)


def test_who_is_not_let_in_is_told_what_to_name(doors: Doors, tmp_path: Path) -> None:
    wrong = refused(replace(doors.key, api_key="guessed"))
    assert wrong.startswith(f"the Temporal server at {doors.key.target}: it refuses this machine; look at temporal_api")
    assert "it refuses this machine" in refused(replace(doors.mutual, cert_file=None, key_file=None))
    assert "put the authority that signed it into temporal_ca_file" in refused(replace(doors.key, ca_file=None))
    assert "it does not answer without TLS; name what it asks for" in refused(Server(doors.key.address))
    assert "it does not speak TLS" in refused(replace(doors.plain, ca_file=doors.ca))
    (tmp_path / "empty.pem").write_text("none")
    assert "temporal_cert_file holds no certificate" in refused(replace(doors.mutual, cert_file=tmp_path / "empty.pem"))
    missing = refused(replace(doors.mutual, key_file=tmp_path / "no.pem"))
    assert missing == f"temporal_key_file {tmp_path / 'no.pem'} cannot be read: No such file or directory"
