"""Pins what a hub answers while its database, its store or its configuration cannot be used: 503, and come again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from comfyui_artifact_db.config import Config, load_config
from comfyui_artifact_db.server_routes.table import ROUTES, Route
from hubs import Answer, Hub, Serve
from locking import locked
from making import png
from requesting import CHANGING, Known, fill, named
from sending import form

ROWLESS = ("/servers", "/session", "/imports/{import_id}", "/imports/{import_id}/cancel")
"""What answers without the database: servers are in the configuration, and this machine needs no token. Imports are of
the process; to begin one takes the database."""

OF_ROWS = [
    route
    for route in ROUTES
    if route.handler
    and route.permission != "public"
    and route.path not in ROWLESS
    and (route.method, route.path) != ("GET", "/imports")
]
"""What asks the database: all but these and the hub's own routes."""

ELSEWHERE = (
    *(("DELETE", "/session"), ("POST", "/workflows/{workflow_id}/collect")),
    *(("POST", "/imports"), ("POST", "/imports/{import_id}/cancel")),
    ("POST", "/trash/empty"),
)
WRITING = [route for route in CHANGING if route.handler and (route.method, route.path) not in ELSEWHERE]
"""What writes to the database; signing out of nothing does not, collecting asks another server first, an import
waits for the database by itself, and emptying an empty trash writes nothing."""


@contextmanager
def away(hub: Hub) -> Iterator[None]:
    """The database's file is something else for a while."""
    hub.library.database.close()
    kept = hub.database.rename(hub.database.with_suffix(".kept"))
    hub.database.write_bytes(b"this is no database" * 1000)
    yield
    hub.library.database.close()
    kept.rename(hub.database)


def assert_come_again(answer: Answer, code: str) -> None:
    assert (answer.status, answer.code) == (503, code)
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("route", WRITING, ids=named)
async def test_a_change_while_another_program_writes_asks_to_come_again(hub: Hub, route: Route) -> None:
    known = fill(hub)
    before = hub.state()
    with locked(hub.database):
        answer = await hub.ask(route.method, known.path(route), **known.request(route))
    assert_come_again(answer, "unavailable")
    assert hub.state() == before
    again = await hub.ask(route.method, known.path(route), **known.request(route))
    assert again.status < 300


@pytest.mark.usefixtures("impatient")
async def test_reading_goes_on_while_another_program_writes(hub: Hub) -> None:
    known = fill(hub)
    with locked(hub.database):
        for route in ROUTES:
            if route.method == "GET" and route.handler is not None:
                await hub.get(known.path(route))


@pytest.mark.parametrize("route", OF_ROWS, ids=named)
async def test_everything_asks_to_come_again_while_the_database_is_damaged(hub: Hub, route: Route) -> None:
    known = fill(hub)
    before = hub.state()
    with away(hub):
        assert_come_again(await hub.ask(route.method, known.path(route), **known.request(route)), "unavailable")
    assert hub.state() == before


async def test_a_hub_whose_database_is_damaged_says_that_it_is_not_well(hub: Hub) -> None:
    with away(hub):
        assert_come_again(await hub.get("/health", 503), "unavailable")
        await hub.get("/openapi.json")
    await hub.get("/health")


async def test_a_file_that_the_store_cannot_take_asks_to_come_again(hub: Hub) -> None:
    known = fill(hub)
    upload, edit = f"/workflows/{known.ids['workflow_id']}/artifacts", f"/artifacts/{known.ids['artifact_id']}/edit"
    root = hub.library.store.root
    away = root.rename(root.with_name("away"))
    before = hub.state()
    for path in (upload, edit):
        assert_come_again(await hub.post(path, 503, data=form(png())), "store_failed")
    assert hub.state() == before
    assert not root.exists()
    away.rename(root)
    for path in (upload, edit):
        await hub.post(path, 201, data=form(png()))


async def test_a_wrong_configuration_is_told_to_the_log_and_mended_without_a_restart(
    serve: Serve, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    right = (config.folder / "artifact-db.toml").read_text()
    (config.folder / "artifact-db.toml").write_text('databse = "x"')
    hub = await serve(load=lambda: load_config(config.folder, {}))
    nobody = Known(
        dict.fromkeys(
            ("chain_id", "workflow_id", "artifact_id", "transfer_id", "import_id", "tag", "asset", "call"), "x"
        )
    )
    for route in [route for route in ROUTES if route.permission != "public" or route.path == "/health"]:
        answer = await hub.ask(route.method, nobody.path(route), **nobody.request(route))
        assert_come_again(answer, "bad_configuration")
        assert "databse" not in answer.json["detail"]
    assert "unknown key 'databse'" in caplog.text
    (config.folder / "artifact-db.toml").write_text(right)
    await hub.get("/health")
    await hub.get("/artifacts")


@pytest.mark.parametrize("place", ["database", "store"])
async def test_a_folder_that_cannot_be_made_is_told_without_its_path(serve: Serve, config: Config, place: str) -> None:
    (config.folder / "file").write_text("in the way")
    setting = {"database": "sqlite:///file/below/artifacts.db", "store": "file/below/store"}[place]
    hub = await serve(load=lambda: load_config(config.folder, {f"ARTIFACT_DB_{place.upper()}": setting}))
    for path in ("/health", "/artifacts", "/events"):
        answer = await hub.get(path, 503)
        assert answer.code == {"database": "unavailable", "store": "store_failed"}[place]
        assert "below" not in answer.json["detail"]
