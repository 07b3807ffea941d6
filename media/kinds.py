"""Owns what kind of file some bytes are, told by their beginning; a name is only asked where bytes say nothing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

HEAD_SIZE = 4096
"""How many of the first bytes `classify` wants to see."""


@dataclass(frozen=True)
class Kind:
    """`file_type` is image, video, audio, 3d, latent, text or other; `file_format` an extension without its dot."""

    file_type: str
    file_format: str
    media_type: str
    inline: bool = False
    """Whether a browser may show it in place: only formats that cannot carry script."""


PNG = Kind("image", "png", "image/png", inline=True)
OTHER = Kind("other", "bin", "application/octet-stream")

_BY_FORMAT = {
    kind.file_format: kind
    for kind in (
        PNG,
        Kind("image", "jpg", "image/jpeg", inline=True),
        Kind("image", "webp", "image/webp", inline=True),
        Kind("image", "gif", "image/gif", inline=True),
        Kind("image", "avif", "image/avif", inline=True),
        Kind("image", "heic", "image/heic"),
        Kind("image", "bmp", "image/bmp"),
        Kind("image", "tiff", "image/tiff"),
        Kind("image", "svg", "image/svg+xml"),
        Kind("video", "mp4", "video/mp4", inline=True),
        Kind("video", "webm", "video/webm", inline=True),
        Kind("video", "mkv", "video/x-matroska"),
        Kind("video", "mov", "video/quicktime"),
        Kind("audio", "flac", "audio/flac", inline=True),
        Kind("audio", "mp3", "audio/mpeg", inline=True),
        Kind("audio", "wav", "audio/wav", inline=True),
        Kind("audio", "ogg", "audio/ogg", inline=True),
        Kind("audio", "m4a", "audio/mp4"),
        Kind("3d", "glb", "model/gltf-binary"),
        Kind("latent", "latent", "application/octet-stream"),
        Kind("text", "html", "text/html"),
        Kind("text", "xml", "application/xml"),
        Kind("text", "json", "application/json"),
        Kind("text", "txt", "text/plain"),
        Kind("other", "pdf", "application/pdf"),
        OTHER,
    )
}

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"\xff\xd8\xff", "jpg"),
    (8, b"WEBP", "webp"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"BM", "bmp"),
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"fLaC", "flac"),
    (0, b"ID3", "mp3"),
    (0, b"OggS", "ogg"),
    (8, b"WAVE", "wav"),
    (0, b"glTF", "glb"),
    (0, b"%PDF-", "pdf"),
)
_BRANDS = {b"avif": "avif", b"avis": "avif", b"M4A ": "m4a", b"M4B ": "m4a", b"qt  ": "mov"}
_BRANDS |= dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1"), "heic")
_MARKUP = re.compile(rb"<\s*(svg|html|script|body|iframe|!doctype\s+html|!doctype\s+svg)", re.IGNORECASE)


def classify(head: bytes, filename: str = "") -> Kind:
    """The kind of a file.

    Args:
        head: its first `HEAD_SIZE` bytes (all of them, when it is smaller).
        filename: a hint between kinds that look alike (text, JSON and XML; latents), never against the bytes.
    """
    extension = PurePosixPath(filename).suffix.lower().removeprefix(".")
    return _BY_FORMAT[_binary(head) or _safetensors(head, extension) or _textual(head, extension) or "bin"]


def of_format(file_format: str | None) -> Kind:
    """The kind that a recorded format stands for."""
    return _BY_FORMAT.get(file_format or "", OTHER)


def _binary(head: bytes) -> str | None:
    for offset, magic, name in _MAGIC:
        # BM alone is two letters that a text may begin with.
        plausible = (offset == 0 or head.startswith(b"RIFF")) and (name != "bmp" or head[6:10] == b"\0\0\0\0")
        if plausible and head.startswith(magic, offset):
            return name
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "mp4")
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "webm" if b"webm" in head[:64] else "mkv"
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:
        return "mp3"
    return None


def _safetensors(head: bytes, extension: str) -> str | None:
    if extension not in ("latent", "safetensors") or len(head) < 9:
        return None
    size = int.from_bytes(head[:8], "little")
    return "latent" if 2 <= size < 100_000_000 and head[8:9] == b"{" else None


def _textual(head: bytes, extension: str) -> str | None:
    if not head or b"\0" in head:
        return None
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A letter may be cut in two where the head ends.
        if len(head) < HEAD_SIZE or error.start < len(head) - 3:
            return None
        text = head[: error.start].decode("utf-8")
    if found := _MARKUP.search(head):
        return "svg" if b"svg" in found.group(1).lower() else "html"
    stripped = text.lstrip("\ufeff \t\r\n")
    if stripped.startswith("<?xml"):
        return "xml"
    if extension == "json" or _is_json(stripped, whole=len(head) < HEAD_SIZE):
        return "json"
    return "txt"


def _is_json(text: str, *, whole: bool) -> bool:
    if not whole or not text.startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
