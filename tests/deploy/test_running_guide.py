"""What `docs/running.md` puts around a hub: a real nginx with TLS, systemd's own check, the container's commands."""

from __future__ import annotations

import fnmatch
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from certifying import authority
from comfyui_artifact_db.client import Problem, connect
from commanding import ROOT, Shell
from proxies import nginx
from sources import OUTSIDE, modules

from devtools.pictures import photo
from devtools.servers import free_port

DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
CONTAINER = DEPLOY / "Containerfile"
PROGRAM = "/opt/artifact-db/bin/artifact-db"


@dataclass(frozen=True)
class Site:
    """A hub behind nginx, as somebody far away sees it."""

    url: str
    ca: Path
    token: str

    def ask(self, method: str, path: str, *, token: str | None = None, **request: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.request(method, self.url + path, headers=headers, verify=str(self.ca), timeout=20, **request)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("nginx")
    ca, certificate = authority(folder)
    port = free_port()
    (folder / "home").mkdir()
    shell = Shell(folder / "home")
    shell.data.mkdir(parents=True)
    (shell.data / "artifact-db.toml").write_text('hosts = ["127.0.0.1"]\nlocal_trust = false\n')
    token = shell.run("token", "create", "node", "--role", "record").stdout.split()[-1]
    with shell.serving() as hub:
        text = (DEPLOY / "nginx.conf").read_text()
        for ours, theirs in {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "studio.example": "127.0.0.1",
            "/etc/ssl/studio.pem": str(certificate),
            "/etc/ssl/studio.key": str(certificate),
            "http://127.0.0.1:8190": hub.url.removesuffix("/artifact-db"),
        }.items():
            assert ours in text
            text = text.replace(ours, theirs)
        with nginx(folder, text, port):
            yield Site(f"https://127.0.0.1:{port}/artifact-db", ca, token)


def test_nobody_is_taken_for_this_machine_because_the_proxy_is(site: Site) -> None:
    assert site.ask("GET", "/chains").status_code == 401
    assert site.ask("GET", "/chains", token=site.token).json() == {"items": [], "next_cursor": None}


def test_only_the_hub_is_passed_on(site: Site) -> None:
    assert requests.get(site.url.replace("/artifact-db", "/"), verify=str(site.ca), timeout=20).status_code == 404
    assert "<html" in site.ask("GET", "/").text


def test_what_is_uploaded_through_it_comes_down_the_same(site: Site) -> None:
    picture = photo(1024, 1024, seed=3)
    assert len(picture) > 1024 * 1024, "more than nginx takes when nobody tells it otherwise"
    workflow = site.ask("POST", "/workflows", token=site.token, json={"workflow_name": "x"}).json()
    path = f"/workflows/{workflow['id']}/artifacts"
    made = site.ask("POST", path, token=site.token, files={"file": ("a.png", picture)})
    assert made.status_code == 201, made.text
    down = site.ask("GET", f"/artifacts/{made.json()['id']}/download", token=site.token)
    assert down.content == picture


def test_a_machine_believes_the_authority_that_it_is_given(site: Site, tmp_path: Path) -> None:
    with connect(site.url, token=site.token, ca_file=site.ca) as hub:
        assert list(hub.list_chains()) == []
    with connect(site.url, token=site.token, retries=0) as hub, pytest.raises(Problem, match="hub_ca_file"):
        list(hub.list_chains())
    shell = Shell(tmp_path)
    shell.data.mkdir(parents=True)
    named = f'hub = "{site.url}"\nhub_token_env = "TOKEN"\n'
    for more, code, said in (
        (f'hub_ca_file = "{site.ca}"\n', 0, "takes records from 'node'"),
        ("", 1, "its certificate is not believed"),
    ):
        (shell.data / "artifact-db.toml").write_text(named + more)
        done = shell.run("doctor", TOKEN=site.token)
        assert done.returncode == code, done.stdout
        assert said in done.stdout


def test_events_come_through_as_they_happen(site: Site) -> None:
    headers = {"Accept": "text/event-stream"}
    with requests.get(
        f"{site.url}/events",
        headers={**headers, "Authorization": f"Bearer {site.token}"},
        verify=str(site.ca),
        stream=True,
        timeout=20,
    ) as stream:
        lines = stream.iter_lines(decode_unicode=True)
        name = "told while the stream is open"
        site.ask("POST", "/chains", token=site.token, json={"name": name})
        assert any(name in line for line in lines if line.startswith("data:"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong_with_the_units(unit: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze")
    text = unit.read_text()
    assert PROGRAM in text
    for also in UNITS:
        (tmp_path / also.name).write_text(also.read_text().replace(PROGRAM, shutil.which("true") or "/bin/true"))
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    told = [line for line in done.stderr.splitlines() if unit.name in line]
    assert told == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_start_commands_that_there_are(unit: Path, tmp_path: Path) -> None:
    (command,) = re.findall(r"^ExecStart=(.+)$", unit.read_text(), re.MULTILINE)
    program, *arguments = shlex.split(command)
    assert program == PROGRAM
    done = Shell(tmp_path).run(*arguments, "--help")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", [*UNITS, CONTAINER], ids=lambda file: file.name)
def test_a_hub_starts_on_an_empty_folder_as_each_of_them_starts_it(file: Path, tmp_path: Path) -> None:
    environment = dict(re.findall(r"^(?:Environment=|ENV )(\w+)=(.+)$", file.read_text(), re.MULTILINE))
    home = tmp_path / "home"
    lasting = tmp_path / "var" / "lib" / "artifact-db"
    for folder in (home, lasting):
        folder.mkdir(parents=True)
    here = {name: value.replace("/var/lib", str(lasting.parent)) for name, value in environment.items()}
    with Shell(home).serving(**here) as hub:
        assert hub.get("/chains").json()["items"] == []
    assert {path.name for path in lasting.iterdir()} >= {"artifacts.db", "store"}
    assert list(home.iterdir()) == []


def test_the_commands_of_the_guide_are_for_the_database_of_its_hub() -> None:
    unit = (DEPLOY / "artifact-db.service").read_text()
    told = dict(re.findall(r"^(User|Environment)=(.+)$", unit, re.MULTILINE))
    guide = (ROOT / "docs" / "running.md").read_text()
    (called,) = re.findall(r"^alias artifact-db='(.+)'$", guide, re.MULTILINE)
    assert called == f"sudo -u {told['User']} {told['Environment']} {PROGRAM}"
    first = re.search(r"^artifact-db ", guide, re.MULTILINE)
    assert first is not None
    assert guide.index("alias artifact-db=") < first.start()


def test_the_container_is_made_of_what_is_there() -> None:
    lines = CONTAINER.read_text().splitlines()
    steps = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    told = {word: rest for word, _, rest in steps}
    project = (ROOT / "pyproject.toml").read_text()
    (extra,) = re.findall(r'"/src\[(\w+)\]"', told["RUN"] if "pip" in told["RUN"] else str(steps))
    assert re.search(rf"^{extra} = \[", project, re.MULTILINE)
    assert told["ENTRYPOINT"] == '["artifact-db"]'
    assert 'artifact-db = "comfyui_artifact_db.cli.main:main"' in project
    assert '"serve"' in told["CMD"]


def test_what_is_not_installed_is_not_copied_into_the_container() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    left_out = [line for line in lines if not line.startswith("#")]

    def is_copied(name: str) -> bool:
        return not any(fnmatch.fnmatchcase(name, pattern) for pattern in left_out)

    parts = {path.split("/")[0] for path in modules()} | {"pyproject.toml", "README.md", "LICENSE", "py.typed"}
    parts |= {"web", "locales", "example_workflows"}
    assert [name for name in sorted(parts) if not is_copied(name)] == []
    of_no_use = OUTSIDE - {"web", "example_workflows"} | {".git", ".cache", "docs"}
    assert [name for name in sorted(of_no_use) if is_copied(name)] == []
