"""Pins the hub's own page and what it loads: files of the package and nothing else, under a strict policy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from aiohttp import ClientSession
from comfyui_artifact_db.server_routes import panel
from hubs import Hub, Serve
from mounting_like_comfyui import like_comfyui
from yarl import URL

ROOT = Path(__file__).resolve().parent.parent.parent
MOUNTS = ("/artifact-db", "/api/artifact-db")
ASSETS = sorted(
    [f"js/{path.relative_to(ROOT / 'web' / 'js').as_posix()}" for path in (ROOT / "web" / "js").rglob("*.*js")]
    + [f"css/{path.relative_to(ROOT / 'web' / 'css').as_posix()}" for path in (ROOT / "web" / "css").rglob("*.css")]
    + [f"locales/{path.parent.name}/main.json" for path in (ROOT / "locales").glob("*/main.json")]
)


async def redirect(session: ClientSession, url: str) -> tuple[int, str | None]:
    async with session.get(URL(url, encoded=True), allow_redirects=False) as response:
        return response.status, response.headers.get("Location")


async def test_the_page_is_bare_and_its_policy_strict(hub: Hub) -> None:
    page = await hub.get("/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-cache"
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'self'",
        "img-src": "'self' data: blob:",
        "media-src": "'self' blob:",
        "style-src": "'self'",
        "script-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'self'",
    }
    assert (await hub.get("/", 304, headers={"If-None-Match": page.etag})).body == b""
    text = page.body.decode()
    assert not re.search(r"<style|style=|\son\w+=|javascript:", text)
    assert all("src=" in script for script in re.findall(r"<script[^>]*>", text))


async def test_the_page_and_all_that_it_names_are_there_wherever_it_is_mounted(serve: Serve) -> None:
    hub = await serve(make=like_comfyui)
    for mount in MOUNTS:
        page = await hub.ask("GET", "/", 200, mount=mount)
        assert page.headers["Content-Security-Policy"] == panel.POLICY, "ComfyUI has a laxer one"
        names = re.findall(r'(?:src|href)="\./([^"]+)"', page.body.decode())
        assert {"assets/js/panel/page.mjs", "assets/css/panel.css"} <= set(names)
        for name in names:
            assert (await hub.ask("GET", f"/{name}", 200, mount=mount)).body


async def test_without_its_slash_the_path_leads_to_the_page(serve: Serve) -> None:
    hub = await serve(make=like_comfyui)
    for mount in MOUNTS:
        assert await redirect(hub.session, hub.url + mount) == (302, "artifact-db/")
        assert await redirect(hub.session, f"{hub.url}{mount}?artifact=7&x=%2F") == (
            302,
            "artifact-db/?artifact=7&x=%2F",
        )
        async with hub.session.get(hub.url + mount) as response:
            assert (response.status, response.url.path, response.content_type) == (200, f"{mount}/", "text/html")
        async with hub.session.post(hub.url + mount, json={}) as response:
            assert response.status in (405, 415)
            assert response.content_type == "application/problem+json"


async def test_it_leads_nowhere_else(hub: Hub) -> None:
    for path in ("//evil.example/artifact-db", "/artifact-db//evil.example", "//artifact-db", "/%2F/artifact-db"):
        status, location = await redirect(hub.session, f"{hub.url}{path}")
        assert status == 404
        assert location is None


@pytest.mark.parametrize("asset", ASSETS)
async def test_an_asset_comes_under_its_type_and_is_asked_for_again(hub: Hub, asset: str) -> None:
    answer = await hub.get(f"/assets/{asset}")
    folder = ROOT if asset.startswith("locales/") else ROOT / "web"
    assert answer.body == (folder / asset).read_bytes()
    types = {"mjs": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "json": "application/json"}
    assert answer.headers["Content-Type"] == {**types, "js": types["mjs"]}[asset.rpartition(".")[2]]
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (await hub.get(f"/assets/{asset}", 304, headers={"If-None-Match": answer.etag})).body == b""
    assert (await hub.ask("HEAD", f"/assets/{asset}", 200)).etag == answer.etag


def test_there_are_assets_of_every_kind() -> None:
    assert {asset.partition("/")[0] for asset in ASSETS} == {"js", "css", "locales"}


@pytest.mark.parametrize(
    "asset",
    [
        *("", "/", "js", "js/", "css/", "locales/", "locales/en", "locales/en/", "page/index.html", "docs/x.md"),
        *("../pyproject.toml", "js/../../pyproject.toml", "js/..%2f..%2fconfig.py", "js/%2e%2e/%2e%2e/__init__.py"),
        *("js/..\\..\\config.py", "js/%5c..%5cconfig.py", "js//etc/passwd", "%2fetc%2fpasswd", "js/%2fetc/passwd"),
        *("js/panel/../panel/page.mjs", "js/./panel/page.mjs", "js//panel/page.mjs", "js/panel//page.mjs"),
        *("js/panel/page.mjs%00", "js/panel/page.mjs%00.js", "js/panel/page.mjs/", "js/panel", "js/panel/page"),
        *("js/panel/.page.mjs", "js/.git/config.js", ".js", "js/.js", "js/panel/page.mjs~", "js/panel/page.mjs.bak"),
        *(
            "js/panel/page.mjs%0a",
            "js/panel/page.mjs%20",
            "js/panel/page.mjs.",
            "js/panel/page.mjs::$DATA",
            "js/con.js",
        ),
        *("css/panel.css.map", "css/../js/panel/page.mjs", "css/panel.js", "js/panel.css", "js/panel/page.html"),
        *("locales/en/nodeDefs.json", "locales/../locales/en/main.json", "locales/en/../en/main.json"),
        *("locales/%2e%2e/main.json", "locales/e/main.json", "locales/en/main.json.bak", "locales/C:/main.json"),
        *(
            "js/" + "a/" * 2000 + "x.js",
            "js/" + "x" * 300 + ".js",
            "js/%CC%81.js",
            "js/p%D0%B0ge.mjs",
            "%ff",
            "js/%ff.js",
        ),
    ],
)
async def test_nothing_else_is_an_asset(hub: Hub, asset: str) -> None:
    refused = await hub.get(f"/assets/{asset}", 404)
    assert refused.code == "not_found"


async def test_neither_holds_any_data_or_needs_any_right(hub: Hub) -> None:
    hub.pictures.one(tags=("secret",))
    before = hub.state()
    for path in ("/", "/assets/js/panel/page.mjs", "/assets/locales/en/main.json"):
        proxied = await hub.get(path, headers={"X-Forwarded-For": "203.0.113.9"})
        assert b"secret" not in proxied.body
        await hub.get(path, 403, headers={"Host": "evil.example"})
        await hub.get(path, 403, headers={"Sec-Fetch-Site": "cross-site"})
    assert hub.state() == before


async def test_a_link_from_elsewhere_leads_to_the_page_and_to_nothing_that_holds_data(hub: Hub) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    await hub.get("/", 200, headers=followed)
    for path in ("/artifacts", "/events", "/queue", "/servers"):
        await hub.get(path, 403, headers=followed)
    for other in (
        {"Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
        {"Sec-Fetch-Dest": ""},
    ):
        await hub.get("/", 403, headers={**followed, **other})
    await hub.get("/", 403, headers={**followed, "Origin": "http://evil.example"})
    await hub.ask("POST", "/chains", 403, json={"name": "x"}, headers=followed)


def test_the_words_are_json() -> None:
    for path in (ROOT / "locales").rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))
