"""Lints the panel's files: nothing makes HTML of strings, every text is in the locale, every event is listened to."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
LOCALE = ROOT / "locales" / "en"
SCRIPTS = sorted(WEB.rglob("*.*js"))
WORDS: dict[str, str] = json.loads((LOCALE / "main.json").read_text(encoding="utf-8"))["artifactDb"]

FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|createContextualFragment"
    r"|srcdoc|setHTML|javascript:|setTimeout\(\s*[\"'`]|style\s*=\s*[\"'`]"
)
CALL = re.compile(r"""\bt\(\s*(?P<quote>["'`])(?P<key>.*?)(?P=quote)""")
KEY = re.compile(r"""["'`](?P<key>[a-z_0-9]+\.[a-z_0-9]+)["'`]""")
FAMILIES = {
    "servers.${status}": {"up", "away", "wrong"},
    "status.${state}": {"pending", "approved", "auto_approved", "edited", "rejected"},
    "status.${state.key}": {"changed", "deleted"},
    "status.${stateOf(artifact).key}": {"changed", "deleted"},
    "role.${who.role}": {"view", "review", "record", "admin"},
    "kind.${kind}": {"image", "video", "audio", "text", "latent", "3d", "other"},
    "generation.${name}": {
        *("prompt", "negative_prompt", "seed", "steps", "cfg", "guidance", "sampler", "scheduler", "denoise"),
        *("models", "loras"),
    },
    'lineage.${level < 0 ? "from" : "to"}_${relation}': {
        *("from_input", "from_parent", "from_source", "to_input", "to_parent", "to_source"),
    },
    "generation.${state}": {"partial", "unknown"},
    "generation.${state}_hint": {"partial", "unknown"},
    "filter.${name}": {"status", "kind", "chain", "step", "workflow", "latest", "trash"},
    "again.${how}": {"retry", "rerun"},
    "again.${how}_hint": {"retry", "rerun"},
    "again.${how}_send": {"retry", "rerun"},
    "chain.${key}": {"cancel", "resume", "rerun", "source"},
    "chain.${state}": {"awaiting_approval", "failed", "completed", "cancelled"},
    "${what}.${state}": {
        *("chain.initializing", "chain.executing", "chain.awaiting_approval", "chain.completed", "chain.failed"),
        *("chain.cancelled", "step.waiting", "step.queued", "step.executing", "step.awaiting_approval"),
        *("step.completed", "step.failed", "step.skipped", "step.cancelled", "step.outcome_unknown"),
        *("step.rejected", "step.unusable", "step.not_run"),
    },
    "transfer.${transfer.status}": {"pending", "uploading", "failed"},
    "player.${key}": {"play", "pause", "back", "on", "mute", "loop"},
    "filter.${widget.name}": {"chain", "step", "workflow"},
    "filter.any_${name}": {"status", "kind", "chain", "step", "workflow"},
}
"""What stands in the place of what is filled in; of other families it is found in the sources."""


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def asked() -> set[str]:
    """Every key that a script asks for."""
    found = set()
    for path in SCRIPTS:
        for match in CALL.finditer(text(path)):
            key = match["key"]
            if "${" not in key:
                found.add(key)
                continue
            prefix = key.partition("${")[0]
            found |= {re.sub(r"\$\{.*\}", name, key) for name in FAMILIES.get(key) or members(prefix)}
    return found


def members(prefix: str) -> set[str]:
    """What a family that is not listed above has, as its module writes it."""
    sources = {
        "action.": r"make\(\s*\"\w+\",\s*\"(\w+)\"",
        "action.compare_": r"const MODES = \[(.*?)\]",
        "chain_done.": r"#do\(\w+, \"(\w+)\"",
        "done.": r"#do\(\w+, \"(\w+)\"",
        "facts.": r"^    \[\"(\w+)\", ",
        "keys.": r"^  \[\".*\", \"(\w+)\"\]",
        "event.": r"\"artifact\.(\w+)\"",
    }
    home = {"action.": "toolbar", "done.": "actions", "facts.": "facts", "keys.": "sheet", "event.": "facts"}
    home["chain_done."] = "chain_actions"
    found = set(re.findall(sources[prefix], text(WEB / "js" / "panel" / f"{home[prefix]}.mjs"), re.MULTILINE))
    assert found, prefix
    return found


@pytest.mark.parametrize("path", SCRIPTS + sorted(WEB.rglob("*.html")), ids=lambda path: path.name)
def test_nothing_makes_html_of_strings(path: Path) -> None:
    assert FORBIDDEN.findall(text(path)) == []


def test_the_page_has_no_script_or_style_of_its_own() -> None:
    page = text(WEB / "page" / "index.html")
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\son\w+=", page) == []


def test_every_text_that_is_asked_for_is_in_the_locale() -> None:
    assert len(asked()) > 80
    assert asked() - set(WORDS) == set()


def test_every_text_in_the_locale_is_asked_for() -> None:
    written = {match["key"] for path in SCRIPTS for match in KEY.finditer(text(path))}
    modes = {"action.compare", "action.compare_side", "action.compare_slider"}
    assert set(WORDS) - asked() - written - modes == set()


def test_no_text_stands_in_a_script() -> None:
    shown = re.compile(r"""(?:title|placeholder|textContent|aria-label)["']?\s*[:=]\s*["'][A-Za-z]""")
    assert [path.name for path in SCRIPTS if shown.search(text(path))] == []


def test_the_settings_are_called_as_the_locale_calls_them() -> None:
    entry = text(WEB / "js" / "artifact_db.js")
    called = dict(re.findall(r"id: \"(ArtifactDB\.\w+)\",.*?name: \"(.*?)\"", entry, re.DOTALL))
    table = json.loads((LOCALE / "settings.json").read_text(encoding="utf-8"))
    assert {key.replace(".", "_"): {"name": name} for key, name in called.items()} == table


def test_every_event_that_the_log_may_have_is_listened_to() -> None:
    heard = set(
        re.findall(r"\"((?:chain|workflow|attempt|artifact|transfer)\.\w+)\"", text(WEB / "js" / "panel" / "live.mjs"))
    )
    written: set[str] = set()
    for path in (ROOT / "library").glob("*.py"):
        written |= set(re.findall(r"\"((?:chain|workflow|attempt|artifact|transfer)\.[a-z_]+)\"", text(path)))
    assert written - heard == set()


def test_only_the_entry_is_a_script_that_comfyui_imports_by_itself() -> None:
    assert [path.name for path in WEB.rglob("*.js")] == ["artifact_db.js"]


def test_modules_stay_small() -> None:
    assert {path.name: lines for path in SCRIPTS if (lines := text(path).count("\n")) > 300} == {}
