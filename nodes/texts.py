"""Owns the way between ComfyUI's STRING and files: UTF-8, byte for byte, without a change of line ends."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from ..errors import Invalid, WrongFileType
from .values import Encoding


def texts(value: str, file_format: str) -> list[Encoding]:
    """One file.

    Raises:
        Invalid: it is to be JSON, and is not.
    """
    if file_format == "json":
        try:
            json.loads(value)
        except (ValueError, RecursionError) as error:
            raise Invalid(f"the text is not JSON: {error}", field="format") from error
    # Halves of surrogate pairs are no text that a file could hold.
    data = value.encode("utf-8", "replace")

    def write(file: Any, _: dict[str, str]) -> None:
        file.write(data)

    return [Encoding(file_format, write)]


def from_text(file: BinaryIO) -> str:
    """A text as it was saved.

    Raises:
        WrongFileType: it is not UTF-8.
    """
    try:
        return file.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise WrongFileType(f"the text cannot be read: {error}", field="text") from error
