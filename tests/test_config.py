"""The configuration: every key, where it may stand, and that what is wrong is refused at start with its name."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest
from certifying import authority
from comfyui_artifact_db.config import FILE_NAME, Approval, Config, Server, Temporal, load_config, user_folder
from comfyui_artifact_db.errors import BadConfiguration, Invalid, UnknownServer

TOP_LEVEL = (
    *("database", "store", "record", "hosts", "local_trust", "max_upload_mb"),
    *("hub", "hub_token_env", "hub_ca_file"),
    *("temporal", "temporal_api_key_env", "temporal_ca_file", "temporal_cert_file", "temporal_key_file"),
)
FULL = """
database = "sqlite:///deep/a.db"
store = "/large disk/store"
hub = ""
hub_token_env = "HUB_TOKEN"
hub_ca_file = "studio-ca.pem"
temporal = "temporal:7233/studio"
temporal_api_key_env = "TEMPORAL_KEY"
temporal_ca_file = "temporal-ca.pem"
temporal_cert_file = "/etc/worker.pem"
temporal_key_file = "worker.key"
record = "nodes"
hosts = ["Hub.Studio", "gpu-a"]
local_trust = false
max_upload_mb = 12

[servers.gpu-a]
url = "http://127.0.0.1:8188/"

[servers."gpu.b_2"]
url = "https://GPU-B.studio:8443/proxy"
token_env = "GPU_B_TOKEN"

[approval]
default = "required"
edited = "pending"
"""


def load(folder: Path, text: str, **environment: str) -> Config:
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    return load_config(folder, environment)


def test_everything_has_a_default(tmp_path: Path) -> None:
    config = load_config(tmp_path, {})
    assert config == Config(tmp_path, None, f"sqlite:///{tmp_path / 'artifacts.db'}", tmp_path / "store")
    assert (config.temporal.address, config.record, config.hosts) == ("127.0.0.1:7233", "nodes", ())
    assert (config.local_trust, config.max_upload, config.servers) == (True, 16 * 1024**3, {})
    assert config.approval == Approval("auto", "usable")


@pytest.mark.parametrize("url", ["http://Hub:8190", "http://hub:8190/", "http://hub:8190/artifact-db/"])
def test_a_hub_is_named_by_its_address_or_that_of_its_routes(tmp_path: Path, url: str) -> None:
    config = load(tmp_path, f'hub = "{url}"\nhub_token_env = "HUB_TOKEN"', HUB_TOKEN="s3cret")
    assert config.hub == Server("hub", "http://hub:8190", "s3cret")
    assert "s3cret" not in repr(config)
    assert load(tmp_path, f'hub = "{url}"').hub == Server("hub", "http://hub:8190")
    assert load(tmp_path, "", ARTIFACT_DB_HUB=url).hub == Server("hub", "http://hub:8190")
    assert load(tmp_path, 'hub = ""\nhub_token_env = "HUB_TOKEN"').hub is None


def test_every_key_is_read(tmp_path: Path) -> None:
    config = load(tmp_path, FULL, GPU_B_TOKEN="s3cret", TEMPORAL_KEY="k3y")
    assert config.file == tmp_path / FILE_NAME
    assert config.folder == tmp_path
    assert config.database == f"sqlite:///{tmp_path / 'deep' / 'a.db'}"
    assert config.store == Path("/large disk/store")
    files = (tmp_path / "temporal-ca.pem", Path("/etc/worker.pem"), tmp_path / "worker.key")
    assert config.temporal == Temporal("temporal:7233/studio", "k3y", *files)
    assert (config.temporal.target, config.temporal.namespace) == ("temporal:7233", "studio")
    assert "k3y" not in repr(config)
    assert (config.record, config.hosts) == ("nodes", ("hub.studio", "gpu-a"))
    assert (config.local_trust, config.max_upload) == (False, 12 * 1024 * 1024)
    assert config.approval == Approval("required", "pending")
    assert dict(config.servers) == {
        "gpu-a": Server("gpu-a", "http://127.0.0.1:8188"),
        "gpu.b_2": Server("gpu.b_2", "https://gpu-b.studio:8443/proxy", "s3cret"),
    }
    assert "s3cret" not in repr(config)


@pytest.mark.parametrize(
    ("text", "name", "accepted"),
    [
        ("databse = 'x'", "'databse'", ["database", "store", "servers", "approval"]),
        ("[server.gpu-a]\nurl = 'http://x'", "'server'", ["servers"]),
        (
            "[servers.a]\nurl = 'http://x'\ntoken = 'x'",
            "'servers.a.token'",
            ["url", "token_env", "headers_env", "ca_file"],
        ),
        ("[approval]\nedit = 'usable'", "'approval.edit'", ["default", "edited"]),
        ("token = 'x'", "'token'", TOP_LEVEL),
    ],
)
def test_an_unknown_key_is_refused_with_its_name_and_the_accepted_ones(
    tmp_path: Path, text: str, name: str, accepted: list[str]
) -> None:
    with pytest.raises(BadConfiguration, match="unknown key") as refused:
        load(tmp_path, text)
    assert name in str(refused.value)
    assert all(key in str(refused.value) for key in accepted)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        *((f"{key} = 7", key) for key in TOP_LEVEL if key not in ("hosts", "local_trust", "max_upload_mb")),
        *(
            (f'{key} = ["x"]', key)
            for key in ("database", "store", "temporal", "record", "local_trust", "max_upload_mb")
        ),
        *((f'{key} = ""', key) for key in ("database", "store", "record")),
        ('database = "sqlite:///"', "database"),
        ('store = "~nobody-of-this-name/store"', "store"),
        ('database = "sqlite:///~nobody-of-this-name/a.db"', "database"),
        ('store = "a\\u0000b"', "store"),
        ('record = "everything"', "record"),
        *(
            (f'hub = "{url}"', "hub")
            for url in ("elsewhere", "ftp://x", "http://user:secret@x", "http://x/?q", "http://")
        ),
        ('hub = "http://x"\nhub_token_env = "EMPTY"', "hub"),
        ('hub = "http://x"\nhub_ca_file = "none.pem"', "hub_ca_file"),
        ('hub = "https://x"\nhub_ca_file = "none.pem"', "hub_ca_file"),
        ('temporal_api_key_env = "EMPTY"', "API key"),
        ('temporal_cert_file = "worker.pem"', "temporal_key_file"),
        ('temporal_key_file = "worker.key"', "temporal_cert_file"),
        ('hosts = "hub.studio"', "hosts"),
        ("hosts = [7]", "hosts"),
        *((f'hosts = ["{host}"]', "hosts") for host in ("", "hub:8188", "http://hub", "a b", "*", "-a", "a/b", "a\\n")),
        *((f"local_trust = {value}", "local_trust") for value in ("1", "0", '"false"')),
        *((f"max_upload_mb = {value}", "max_upload_mb") for value in ("0", "-1", "1.5", '"12"', "true", "1048577")),
        ("servers = 7", "servers"),
        ("[[servers]]\nurl = 'http://x'", "servers"),
        ("[servers]\na = 'http://x'", "servers.a"),
        ("[servers.a]", "servers.a"),
        ("[servers.a]\nurl = 7", "servers.a.url"),
        ("[servers.a]\nurl = 'ftp://x'", "'a'"),
        ("[servers.a]\nurl = 'http://user:secret@x'", "'a'"),
        ("[servers.a]\nurl = 'http://x'\ntoken_env = 7", "servers.a.token_env"),
        ("[servers.a]\nurl = 'http://x'\nheaders_env = 'X'", "servers.a.headers_env"),
        ("[servers.a]\nurl = 'http://x'\nheaders_env = { X-Key = 7 }", "servers.a.headers_env.X-Key"),
        ("[servers.a]\nurl = 'https://x'\nca_file = ''", "servers.a.ca_file"),
        ("[servers.a]\nurl = 'https://x'\nca_file = 'none.pem'", "ca_file"),
        ("[servers.a]\nurl = 'https://x'\nca_file = 'artifact-db.toml'", "ca_file"),
        ("[servers.a]\nurl = 'http://x'\nca_file = 'artifact-db.toml'", "https://"),
        *((f'[servers."{name}"]\nurl = "http://x"', "servers") for name in ("", "a b", "../a", "a/b", "-a", "x" * 65)),
        ("approval = 'auto'", "approval"),
        ("[approval]\ndefault = 'usable'", "approval.default"),
        ("[approval]\nedited = 'auto'", "approval.edited"),
        ("[approval]\nedited = true", "approval.edited"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        load(tmp_path, text, EMPTY="")
    assert named in str(refused.value)
    assert "secret" not in str(refused.value)


def test_headers_and_authorities_of_a_server_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ca, _ = authority(tmp_path)
    text = """
    [servers.gpu-b]
    url = "https://gpu-b.studio"
    token_env = "GPU_B_TOKEN"
    headers_env = { X-Api-Key = "GPU_B_KEY", X-Other = "UNSET" }
    ca_file = "studio-ca.pem"
    """
    server = load(tmp_path, text, GPU_B_KEY="s3cret key", GPU_B_TOKEN="s3cret").servers["gpu-b"]
    assert server.credentials == {"X-Api-Key": "s3cret key", "Authorization": "Bearer s3cret"}
    assert server.ca_file == ca
    assert "s3cret" not in repr(server)
    assert "servers.gpu-b.headers_env.X-Other: the variable UNSET, which it names, is not set" in caplog.text


@pytest.mark.parametrize("header", ["Host", "Content-Length", "a b", "Authorization", ""])
def test_a_header_that_is_not_the_operators_to_set_is_refused(tmp_path: Path, header: str) -> None:
    text = f'[servers.a]\nurl = "http://x"\ntoken_env = "T"\nheaders_env = {{ "{header}" = "KEY" }}'
    with pytest.raises(BadConfiguration, match=r"'a': header") as refused:
        load(tmp_path, text, KEY="secret", T="secret")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("value", ["", " x", "x\r\nY: z", "ü"])
def test_a_header_that_cannot_be_sent_is_refused_without_quoting_it(tmp_path: Path, value: str) -> None:
    text = '[servers.a]\nurl = "http://x"\nheaders_env = { X-Api-Key = "KEY" }'
    with pytest.raises(BadConfiguration, match=r"'X-Api-Key'.*its value is empty"):
        load(tmp_path, text, KEY=value)


@pytest.mark.parametrize(
    ("variable", "text", "attribute", "value"),
    [
        ("DATABASE", "sqlite:///b.db", "database", "sqlite:///{folder}/b.db"),
        ("STORE", "elsewhere", "store", "{folder}/elsewhere"),
        ("HUB", "", "hosts", ()),
        ("TEMPORAL", "t:1", "temporal", Temporal("t:1")),
        ("RECORD", "all", "record", "all"),
        ("HOSTS", " A.studio, b ,", "hosts", ("a.studio", "b")),
        ("HOSTS", "", "hosts", ()),
        ("LOCAL_TRUST", "false", "local_trust", False),
        ("LOCAL_TRUST", "0", "local_trust", False),
        ("LOCAL_TRUST", "TRUE", "local_trust", True),
        ("MAX_UPLOAD_MB", "3", "max_upload", 3 * 1024 * 1024),
    ],
)
def test_each_top_level_value_can_be_an_environment_variable(
    tmp_path: Path, variable: str, text: str, attribute: str, value: Any
) -> None:
    config = load_config(tmp_path, {f"ARTIFACT_DB_{variable}": text})
    expected = value.format(folder=tmp_path) if isinstance(value, str) else value
    found = getattr(config, attribute)
    assert (str(found) if isinstance(found, Path) else found) == expected


def test_an_environment_variable_wins_over_the_file(tmp_path: Path) -> None:
    config = load(tmp_path, FULL, ARTIFACT_DB_STORE="mine", ARTIFACT_DB_LOCAL_TRUST="1", GPU_B_TOKEN="x")
    assert config.store == tmp_path / "mine"
    assert config.local_trust is True
    assert config.temporal.target == "temporal:7233"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        *(("RECORD", "everything"), ("HOSTS", "a:1"), ("LOCAL_TRUST", "maybe"), ("MAX_UPLOAD_MB", "many")),
        *(("MAX_UPLOAD_MB", "-1"), ("MAX_UPLOAD_MB", "²"), ("MAX_UPLOAD_MB", ""), ("HUB", "elsewhere")),
    ],
)
def test_a_wrong_environment_variable_is_refused_with_its_name(tmp_path: Path, variable: str, text: str) -> None:
    with pytest.raises(BadConfiguration, match=variable.lower()):
        load_config(tmp_path, {f"ARTIFACT_DB_{variable}": text})


def test_relative_paths_count_from_the_file_and_a_tilde_is_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir("/")
    config = load(tmp_path, 'store = "../store"\ndatabase = "sqlite:///~/a.db"')
    assert config.store == tmp_path / "../store"
    assert config.database == f"sqlite:///{tmp_path / 'home' / 'a.db'}"
    assert load(tmp_path, 'database = "sqlite:////srv/a.db"').database == "sqlite:////srv/a.db"


def test_the_file_can_be_named_and_wins_over_comfyuis_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    named = tmp_path / "elsewhere" / "other.toml"
    named.write_text('temporal = "named:1"')
    (tmp_path / FILE_NAME).write_text('temporal = "folder:1"')
    config = load_config(tmp_path, {"ARTIFACT_DB_CONFIG": str(named)})
    assert (config.temporal.address, config.folder, config.file) == ("named:1", named.parent, named)
    monkeypatch.chdir(tmp_path)
    assert load_config(None, {"ARTIFACT_DB_CONFIG": "elsewhere/other.toml"}).file == named


def test_a_named_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"ARTIFACT_DB_CONFIG names .*gone\.toml, which is not there"):
        load_config(tmp_path, {"ARTIFACT_DB_CONFIG": str(tmp_path / "gone.toml")})


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"database = ", "is not TOML"), (b'store = "\xff"', "cannot be read"), (b"a = 1\na = 2", "is not TOML")],
)
def test_a_file_that_is_not_toml_is_refused_with_its_name(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / FILE_NAME).write_bytes(data)
    with pytest.raises(BadConfiguration, match=words) as refused:
        load_config(tmp_path, {})
    assert FILE_NAME in str(refused.value)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(BadConfiguration, match="cannot be read"):
        load_config(tmp_path, {})


@pytest.mark.skipif(os.name == "nt", reason="the folder of this system is another")
def test_without_comfyui_the_platforms_folder_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert user_folder() == tmp_path / "artifact-db"
    (tmp_path / "artifact-db").mkdir()
    (tmp_path / "artifact-db" / FILE_NAME).write_text('temporal = "mine:1"')
    assert load_config(None, {}).temporal.address == "mine:1"
    monkeypatch.setattr("sys.platform", "darwin")
    assert user_folder().parts[-3:] == ("Library", "Application Support", "artifact-db")


def test_a_server_is_found_by_its_name_only(tmp_path: Path) -> None:
    config = load(tmp_path, FULL, GPU_B_TOKEN="x")
    assert config.server("gpu-a").url == "http://127.0.0.1:8188"
    for name in ("GPU-A", "http://127.0.0.1:8188", "", "gpu-c"):
        with pytest.raises(UnknownServer) as refused:
            config.server(name)
        assert refused.value.field == "server"
        assert refused.value.data["servers"] == ["gpu-a", "gpu.b_2"]
    with pytest.raises(UnknownServer, match=r"add \[servers.NAME\]"):
        load_config(tmp_path / "empty", {}).server("gpu-a")


@pytest.mark.parametrize(
    ("address", "label"),
    [
        ("http://127.0.0.1:8188", "gpu-a"),
        ("http://127.0.0.1:8188/", "gpu-a"),
        ("HTTPS://gpu-b.STUDIO:8443/proxy/", "gpu.b_2"),
        ("http://127.0.0.1:8189", "http://127.0.0.1:8189"),
        ("https://127.0.0.1:8188", "https://127.0.0.1:8188"),
        ("gpu-a", "gpu-a"),
        ("127.0.0.1:8188", "127.0.0.1:8188"),
        ("", ""),
        ("not a url", "not a url"),
    ],
)
def test_an_address_that_is_a_configured_servers_resolves_to_its_name(tmp_path: Path, address: str, label: str) -> None:
    assert load(tmp_path, FULL, GPU_B_TOKEN="x").server_label(address) == label


def test_a_token_whose_variable_is_not_set_is_told_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "artifact_db.config"):
        config = load(tmp_path, FULL)
    assert config.server("gpu.b_2").token is None
    assert "GPU_B_TOKEN" in caplog.text


def test_folders_have_names_and_count_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "artifact-db.toml").write_text('[folders]\narchive = "old"\noutput = "/srv/output"\n')
    config = load_config(tmp_path, {})
    assert config.import_folder("archive") == tmp_path / "old"
    assert config.folder_label(Path("/srv/output")) == "output"
    assert config.folder_label(Path("/srv/other")) == "other"
    with pytest.raises(Invalid, match=r"no folder 'x' is configured \(configured: archive, output\)"):
        config.import_folder("x")


@pytest.mark.parametrize("line", ['"a b" = "x"', "a = 1", 'a = ""', 'a = "\\u0000"'])
def test_a_wrong_folder_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "artifact-db.toml").write_text(f"[folders]\n{line}\n")
    with pytest.raises(BadConfiguration, match="folders"):
        load_config(tmp_path, {})
