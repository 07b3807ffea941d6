"""Certificates for tests: an authority of a studio's own, and what it has signed for a server on 127.0.0.1."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def authority(folder: Path) -> tuple[Path, Path]:
    """The authority's certificate, and a server's with its key, both PEM; made in a folder."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("there is no openssl to make certificates with")

    def make(*arguments: str | Path) -> None:
        subprocess.run([openssl, *map(str, arguments)], check=True, capture_output=True)

    ca, key, server = folder / "studio-ca.pem", folder / "studio-ca.key", folder / "server.pem"
    request, leaf, extensions = folder / "server.csr", folder / "server.crt", folder / "extensions"
    new = ("-newkey", "rsa:2048", "-nodes")
    uses = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    make("req", "-x509", *new, *("-days", "2", "-subj", "/CN=Studio CA"), *uses, "-keyout", key, "-out", ca)
    make("req", *new, "-subj", "/CN=gpu-b", "-keyout", server, "-out", request)
    extensions.write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    signed = ("-CA", ca, "-CAkey", key, "-CAcreateserial", "-extfile", extensions)
    make("x509", "-req", "-in", request, *("-days", "2"), *signed, "-out", leaf)
    server.write_bytes(server.read_bytes() + leaf.read_bytes())
    return ca, server
