"""Owns which file names go to a ComfyUI server and which are taken from its answers. Refuses to repair any name."""

from __future__ import annotations

import re

__all__ = ["is_plain_name", "is_plain_subfolder", "is_sendable_name"]

LONGEST_NAME = 255  # bytes; the limit of the usual file systems
# ComfyUI reads "picture.png [output]" as picture.png of another folder than the one that was asked for.
_ANNOTATION = re.compile(r"\[(input|output|temp)\]\s*\Z")


def is_sendable_name(name: str) -> bool:
    """True for the names that we generate: ASCII letters, digits, `-_.`; safe in a multipart header as they stand."""
    return re.fullmatch(r"[A-Za-z0-9._-]+", name) is not None and is_plain_name(name)


def is_plain_name(name: str) -> bool:
    """True when `name` can be nothing but one entry of a folder, on any system and for ComfyUI too.

    ComfyUI's `/view` refuses ".." wherever it stands in a name, so such a name could never be read back.
    """
    return (
        name.isprintable()  # no control characters, no lone surrogates, no bidirectional overrides
        and name not in ("", ".")
        and ".." not in name
        and not any(separator in name for separator in "/\\:")
        and len(name.encode()) <= LONGEST_NAME
        and _ANNOTATION.search(name) is None
    )


def is_plain_subfolder(subfolder: str) -> bool:
    """True for "" and for plain names joined by "/": never absolute, never upwards, never with an empty part."""
    return subfolder == "" or all(is_plain_name(part) for part in subfolder.split("/"))
