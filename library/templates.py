"""Owns the readable names of exported files: the template's placeholders, and names that every system takes.

A name is made of parts by the template's own slashes alone: whatever a value holds, it never adds a folder, and no
part is empty, `.` or `..`. So a name never leads out of the folder that it is below.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Mapping
from pathlib import PurePosixPath

from ..errors import Invalid

DEFAULT = "{chain}/{order:02}-{step}/{filename} v{version}.{ext}"

PLACEHOLDERS = (
    *("chain", "chain_id", "order", "step", "workflow", "workflow_id", "output", "node"),
    *("filename", "ext", "version", "status", "artifact_id", "sha256", "date"),
)

MAX_CHARACTERS, MAX_BYTES = 120, 200
"""Of one part: below what any file system takes, so that a suffix still fits."""

_NUMBERS = ("order", "version")
_WIDTH = re.compile(r"0?[1-9]?[0-9]?\Z")
_FORBIDDEN = frozenset('<>:"/\\|?*')
_TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Marks that make a name read as another one."""

_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?\Z", re.IGNORECASE)
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,8}\Z")


class Template:
    """A template that was checked: one part for each folder, and one for the file.

    Raises:
        Invalid: unknown placeholders (all of them are listed), or a form that could name no file.
    """

    def __init__(self, text: str) -> None:
        self.parts = text.split("/")
        _refuse_unknown(_placeholders(text))
        if "\\" in text or not all(part.strip(" .") for part in self.parts):
            raise Invalid("--name: no part may be empty, '.' or '..', and '/' separates folders", field="name")
        for part in self.parts:
            _placeholders(part)  # A placeholder that spans a slash is none.

    def fill(self, values: Mapping[str, str | int]) -> PurePosixPath:
        """The name of one file, below the folder of the export."""
        filled = [part.format_map(_clean(values)) for part in self.parts]
        return PurePosixPath(*(safe_part(part) for part in filled))


def safe_part(text: str) -> str:
    """One part of a path as Linux, macOS and Windows all take it; never empty, `.` or `..`."""
    text = "".join(_safe_character(character) for character in unicodedata.normalize("NFC", text))
    text = _shortened(text.strip().rstrip(". "))
    if text.startswith("."):
        text = f"_{text[1:]}"
    if not text:
        return "_"
    return f"_{text}" if _RESERVED.match(text) else text


def numbered(path: PurePosixPath, number: int) -> PurePosixPath:
    """The name for the second, third … file that wants the same one; the first keeps it."""
    if number == 1:
        return path
    found = _EXTENSION.search(path.name)
    extension = found.group() if found else ""
    return path.with_name(f"{path.name.removesuffix(extension)} ({number}){extension}")


def collision_key(path: PurePosixPath) -> str:
    """What two names have in common that are one file on macOS or Windows."""
    return unicodedata.normalize("NFC", str(path).casefold())


def _placeholders(text: str) -> list[str]:
    """The placeholders of a text, in order, with what is wrong about them."""
    found = []
    try:
        for _, name, spec, conversion in string.Formatter().parse(text):
            if name is None:
                continue
            found.append(name)
            if conversion or (spec and not (name in _NUMBERS and _WIDTH.match(spec))):
                raise Invalid(f"--name: {{{name}}} stands alone; only numbers take a width, {{order:02}}", field="name")
    except ValueError as error:
        raise Invalid("--name: a brace is not closed; write {{ for a brace that is none", field="name") from error
    return found


def _refuse_unknown(found: list[str]) -> None:
    unknown = sorted({name for name in found if name not in PLACEHOLDERS})
    if unknown:
        told = ", ".join(f"{{{name}}}" for name in unknown)
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise Invalid(f"--name: unknown: {told}; there are {known}", field="name")


def _clean(values: Mapping[str, str | int]) -> dict[str, str | int]:
    return {name: value if isinstance(value, int) else value.strip() for name, value in values.items()}


def _safe_character(character: str) -> str:
    if character in _TURNING:
        return ""
    if character in _FORBIDDEN or unicodedata.category(character) in ("Cc", "Cs", "Cn", "Co", "Zl", "Zp"):
        return "_"
    return " " if unicodedata.category(character) == "Zs" else character


def _shortened(text: str) -> str:
    if len(text) <= MAX_CHARACTERS and len(text.encode()) <= MAX_BYTES:
        return text
    found = _EXTENSION.search(text)
    extension = found.group() if found else ""
    stem = text.removesuffix(extension)[: MAX_CHARACTERS - len(extension)]
    # Cut between characters, not inside one.
    stem = stem.encode()[: MAX_BYTES - len(extension)].decode(errors="ignore")
    return stem.rstrip(". ") + extension
