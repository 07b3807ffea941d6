"""Owns what SaveToArtifactDB's widgets may say; a name that looks like a path or a URL is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Any

from ..errors import Invalid
from ..library import names
from .values import FORMATS, Wanted

APPROVALS = {"default": None, "auto": "auto_approved", "required": "pending"}

DEFAULT_FORMAT, DEFAULT_QUALITY = "default", 90

DEFAULTS = {
    **{"filename_prefix": "ComfyUI", "chain": "", "step": "", "approval": "default", "tags": ""},
    **{"format": DEFAULT_FORMAT, "quality": DEFAULT_QUALITY},
}

MAX_PART = 200
"""Bytes of a folder or a name in a prefix; file systems take 255, and numbers follow."""


@dataclass(frozen=True)
class Widgets:
    """What the widgets say, checked and in its one spelling. `status` None leaves the choice to the approval rules."""

    filename_prefix: str
    chain: str
    step: str
    status: str | None
    tags: tuple[str, ...]
    wanted: Wanted


def checked(**given: Any) -> Widgets:
    """What the widgets say.

    Raises:
        Invalid: one of them says what it must not.
    """
    if given["approval"] not in APPROVALS:
        raise Invalid(f"approval is {given['approval']!r}; accepted: {', '.join(APPROVALS)}", field="approval")
    return Widgets(
        filename_prefix=_checked_prefix(given["filename_prefix"]),
        chain=names.checked_name(given["chain"], "chain", empty=True),
        step=names.checked_name(given["step"], "step", empty=True),
        status=APPROVALS[given["approval"]],
        tags=names.checked_tags(given["tags"]),
        wanted=_checked_wanted(given["format"], given["quality"]),
    )


def _checked_prefix(text: Any) -> str:
    prefix = names.checked_text(text, "filename_prefix")
    path = PureWindowsPath(prefix)  # It knows both kinds of slashes, and drives.
    if path.drive or path.root or "://" in prefix or ".." in prefix or "\n" in prefix or "\t" in prefix:
        raise Invalid(
            "filename_prefix is a name, with folders at most; no '..', no absolute path, no URL, one line",
            field="filename_prefix",
        )
    if any(len(part.encode()) > MAX_PART for part in path.parts):
        raise Invalid(f"filename_prefix: a part of it is over {MAX_PART} bytes", field="filename_prefix")
    return prefix


def _checked_wanted(file_format: Any, quality: Any) -> Wanted:
    if file_format not in FORMATS:
        raise Invalid(f"format is {file_format!r}; accepted: {', '.join(FORMATS)}", field="format")
    if type(quality) is not int or not 1 <= quality <= 100:
        raise Invalid(f"quality is {quality!r}; accepted: 1 to 100", field="quality")
    return Wanted(file_format, quality)
