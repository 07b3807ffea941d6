"""Pins which addresses, tokens and file names the client takes, and that none of its texts shows a secret."""

from __future__ import annotations

import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from comfyui_artifact_db.comfyui_client.filenames import is_plain_name, is_plain_subfolder, is_sendable_name
from comfyui_artifact_db.config import Server
from comfyui_artifact_db.errors import BadConfiguration

SECRET = "s3cret-t0ken"
ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("http://127.0.0.1:8188", "http://127.0.0.1:8188"),
        ("http://127.0.0.1:8188/", "http://127.0.0.1:8188"),
        ("HTTPS://GPU-B.studio:443", "https://gpu-b.studio"),
        ("http://gpu-a:80/", "http://gpu-a"),
        ("https://gpu-a:80", "https://gpu-a:80"),
        ("http://[::1]:8188/", "http://[::1]:8188"),
        ("https://hub.studio/user/a%40b.com/proxy/8188/", "https://hub.studio/user/a%40b.com/proxy/8188"),
        ("http://gpu_a.local:", "http://gpu_a.local"),
    ],
)
def test_an_address_is_kept_in_canonical_form(written: str, canonical: str) -> None:
    assert Server.parse_url(written) == canonical
    assert Server("gpu-a", written) == Server("gpu-a", canonical)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gpu-a:8188",
        "ftp://gpu-a",
        "file:///etc/passwd",
        "http://",
        "http:///view",
        f"http://artist:{SECRET}@gpu-a",
        f"http://{SECRET}@gpu-a",
        f"http://:{SECRET}@gpu-a",
        f"http://gpu-a:{SECRET}",
        f"http://gpu-a/?token={SECRET}",
        "http://gpu-a?",
        f"http://gpu-a/#{SECRET}",
        "http://gpu-a#",
        "http://gpu-a:0",
        "http://gpu-a:65536",
        "http://gpu-a:8_188",
        "http://gpu-a:-1",
        "http://gpu a",
        "http://gpu-a\r\nX: y",
        "http://gpu-a\t",
        " http://gpu-a",
        "http://gpü-a",
        "http://gpu-a\\@evil",
        "http://gpu..a",
        "http://" + "a" * 64,
        "http://[::1",
        "http://[::1]x:80",
        "http://x[::1]:80",
        "http://[evil]",
        "http://[fe80::1%25eth0]",
        "http://gpu-a/../x",
        "http://gpu-a/%2e%2E/x",
        "http://gpu-a/a//b",
        "http://gpu-a/%zz",
        'http://gpu-a/"',
    ],
)
def test_any_other_address_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        Server("gpu-b", url, SECRET)
    assert "'gpu-b'" in str(refused.value)
    assert refused.value.data == {"server": "gpu-b"}
    assert SECRET not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("token", ["", SECRET + "\n", f" {SECRET}", f"{SECRET}\r\nX: y", f"{SECRET}é", f"{SECRET}\0"])
def test_a_token_that_no_header_can_carry_is_refused_without_quoting_it(token: str) -> None:
    with pytest.raises(BadConfiguration, match="server 'gpu-b': its token") as refused:
        Server("gpu-b", "http://gpu-b", token)
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_the_repr_of_a_server_does_not_show_its_token() -> None:
    assert repr(Server("gpu-b", "http://gpu-b", SECRET)) == "Server(name='gpu-b', url='http://gpu-b', ca_file=None)"


@pytest.mark.parametrize("name", ["a.png", "A-b_c.d", "x", "a" * 255])
def test_generated_names_are_sent(name: str) -> None:
    assert is_sendable_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a b.png", 'a".png', "a\r\n.png", "ä.png", "a..png", "a" * 256, "a/b", "a\n"]
)
def test_names_that_need_escaping_are_not_sent(name: str) -> None:
    assert not is_sendable_name(name)


@pytest.mark.parametrize("name", ["a (1).png", "龍.png", "é.png", "a;b='c'.png", "ü" * 127])
def test_plain_names_are_taken_from_a_server(name: str) -> None:
    assert is_plain_name(name)
    assert is_plain_subfolder(f"{name}/{name}")


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../a.png", "a/", "/a.png", "a\\b.png", "C:a.png", "a..png"),
        *("a\0.png", "a\n.png", "a\x7f.png", "a\u202egnp.exe", "a\u2028.png", "\ud800.png"),
        *("a" * 256, "ü" * 128, "a.png [output]", "a.png [input] ", "a.png[temp]"),
    ],
)
def test_names_that_could_lead_elsewhere_are_not_taken_from_a_server(name: str) -> None:
    assert not is_plain_name(name)
    assert not is_plain_subfolder(f"shots/{name}")


def test_importing_the_client_does_not_import_requests() -> None:
    program = (
        "import sys, types; package = types.ModuleType('package'); package.__path__ = [sys.argv[1]];"
        "sys.modules['package'] = package; import package.comfyui_client;"
        "sys.exit(', '.join({'requests', 'urllib3', 'http.client', 'ssl'} & set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-c", program, str(ROOT)], check=True)
