"""Owns what a name from outside may look like, and other small values. A name is a label: no file is called by it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import Invalid

MAX_NAME = 255
MAX_FOLDERS = 4096
MAX_TAG = 100
MAX_REASON = 2000

_OUTPUT_KEY = re.compile(r"[^\s/\\\x00-\x1f]{1,200}:[A-Za-z0-9_.-]{1,64}:[0-9]{1,9}\Z")
_DRIVE = re.compile(r"[A-Za-z]:")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def checked_text(value: Any, field: str, *, longest: int = MAX_NAME, empty: bool = False) -> str:
    """A text of one line or more, without control characters, in Unicode's composed form (NFC).

    Raises:
        Invalid: it is no text, empty where that makes no sense, too long, or has control characters.
    """
    if not isinstance(value, str):
        raise Invalid(f"{field} is not a text", field=field)
    text = unicodedata.normalize("NFC", value).strip()
    if not text and not empty:
        raise Invalid(f"{field} is empty", field=field)
    if len(text) > longest:
        raise Invalid(f"{field} has {len(text)} characters; {longest} at most", field=field)
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in text):
        raise Invalid(f"{field} has control characters", field=field)
    return text


def checked_name(value: Any, field: str, *, empty: bool = False) -> str:
    """A name of one line that is neither a path nor a URL: what a chain, a step or a workflow is called.

    Raises:
        Invalid: it looks like a path or a URL, or `checked_text` refuses it.
    """
    name = checked_text(value, field, empty=empty)
    if "://" in name or "\\" in name or "/" in name or ".." in name or "\n" in name or "\t" in name:
        raise Invalid(f"{field} is a name, not a path or a URL: no '/', '\\', '..' or line breaks", field=field)
    if _DRIVE.match(name):
        raise Invalid(f"{field} is a name, not a path with a drive letter", field=field)
    return name


def checked_filename(value: Any, field: str = "file") -> str:
    """The name a client gives a file, kept as a label.

    Raises:
        Invalid: it has folders, a drive letter, '..', NUL, CR, LF or another control character, or more than 255 bytes.
    """
    if not isinstance(value, str) or not value.strip():
        raise Invalid(f"{field} has no file name", field=field)
    name = unicodedata.normalize("NFC", value)
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        raise Invalid(f"{field}: the file name has control characters", field=field)
    if "/" in name or "\\" in name or name in (".", "..") or name.startswith("..") or _DRIVE.match(name):
        raise Invalid(f"{field}: the file name is a path; send the name alone", field=field)
    if len(name.encode()) > MAX_NAME:
        raise Invalid(f"{field}: the file name is over {MAX_NAME} bytes", field=field)
    return name


def checked_output_key(value: Any, field: str = "output_key") -> str:
    """An output key, `node_id:kind:index`, split from the right: node ids of subgraphs have colons of their own.

    Raises:
        Invalid: it is not of that form.
    """
    if not isinstance(value, str) or not _OUTPUT_KEY.match(value):
        raise Invalid(f"{field} is node_id:kind:index, such as 9:images:0", field=field)
    return value


def checked_subfolder(value: Any, field: str = "subfolder") -> str:
    """A folder below a ComfyUI folder, with forward slashes; empty for none.

    Raises:
        Invalid: it is absolute, climbs with '..', or has characters that no file system takes.
    """
    text = checked_text(value, field, longest=MAX_FOLDERS, empty=True).replace("\\", "/")
    if text.startswith("/") or _DRIVE.match(text) or any(c in text for c in "\n\t"):
        raise Invalid(f"{field} is below the server's input folder: no leading '/', no drive, one line", field=field)
    text = text.rstrip("/ ")
    # Windows drops blanks and dots at the end of a name: '.. ' climbs there as '..' does.
    if text and not all(part.strip(" .") for part in text.split("/")):
        raise Invalid(f"{field} has an empty, '.' or '..' part", field=field)
    return text


def labels(filename: str, subfolder: str) -> tuple[str, str]:
    """The name and the folder that somebody else gave a file, as `checked_filename` and `checked_subfolder` take them.

    They are what ComfyUI, its nodes and its file systems allow, and no reason to record nothing: folders in the name go
    to the folder, and what else a label cannot have becomes an underline.
    """
    path = unicodedata.normalize("NFC", f"{subfolder}/{filename}").replace("\\", "/")
    *folders, name = [_label(part) for part in path.split("/") if part] or ["_"]
    while len("/".join(folders)) > MAX_FOLDERS:
        del folders[0]
    return name, "/".join(folders)


def _label(part: str) -> str:
    text = "".join("_" if unicodedata.category(c) in ("Cc", "Cs") else c for c in part)
    text = text.encode()[-MAX_NAME:].decode(errors="ignore").strip()
    if text.startswith("..") or not text.strip(" ."):
        text = f"_{text[1:]}"
    return f"{text[0]}_{text[2:]}" if _DRIVE.match(text) else text


def checked_object(value: Any, field: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        Invalid: it is something else.
    """
    if not isinstance(value, dict):
        raise Invalid(f"{field} is not a JSON object", field=field)
    return value


def one_of(accepted: Sequence[str]) -> Callable[[Any, str], str]:
    """A check for one of these words; it raises Invalid for any other."""

    def check(value: Any, where: str) -> str:
        if value not in accepted:
            raise Invalid(f"{where} is one of {', '.join(accepted)}", field=where)
        return str(value)

    return check


def checked_sha256(value: Any, field: str) -> str:
    """A SHA-256 as the record has it, 64 hex digits.

    Raises:
        Invalid: it is none.
    """
    if not isinstance(value, str) or not _SHA256.match(value):
        raise Invalid(f"{field} is not a SHA-256 in 64 small hex digits", field=field)
    return value


def checked_flag(value: Any, field: str) -> bool:
    """true or false.

    Raises:
        Invalid: it is neither.
    """
    if not isinstance(value, bool):
        raise Invalid(f"{field} is true or false", field=field)
    return value


def checked_tags(text: str, field: str = "tags") -> tuple[str, ...]:
    """Tags as a widget gives them, comma separated, each once, in their order."""
    if not isinstance(text, str):
        raise Invalid(f"{field} is not a text", field=field)
    tags = (checked_tag(part, field) for part in text.split(",") if part.strip())
    return tuple(dict.fromkeys(tags))


def checked_tag(value: Any, field: str = "tag") -> str:
    """One tag: a line of 1 to 100 characters without commas, which can stand in a URL.

    Raises:
        Invalid: it is not.
    """
    tag = checked_text(value, field, longest=MAX_TAG)
    if "," in tag or "\n" in tag or "\t" in tag:
        raise Invalid(f"{field}: a tag has no commas and no line breaks", field=field)
    if tag in (".", ".."):
        raise Invalid(f"{field}: in a URL {tag!r} is no tag but a way up; choose another", field=field)
    return tag
