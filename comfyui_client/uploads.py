"""Owns the body of an upload: multipart/form-data whose length is known beforehand and whose files are read in blocks.

It refuses to hold a file in memory, which requests' own `files=` does, and to send ComfyUI a name that
needs escaping.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from ..errors import StoreFailed
from .filenames import is_sendable_name

__all__ = ["FormFile", "MultipartBody", "MultipartUpload"]

BLOCK = 256 * 1024  # bytes read and sent at a time


@dataclass(frozen=True)
class FormFile:
    """A file of a form: `name` is its field, `size` in bytes; a `filename` beyond plain ASCII is sent as UTF-8.

    `open` gives its source when its turn comes, which is read from where it stands.
    """

    name: str
    filename: str
    size: int
    open: Callable[[], AbstractContextManager[BinaryIO]]

    @classmethod
    def at(cls, path: Path, name: str, filename: str) -> FormFile:
        """The file that lies at a path. Raises OSError where there is none."""
        return cls(name, filename, path.stat().st_size, lambda: path.open("rb"))


class MultipartBody:
    """A body for requests, to be sent once: its `len()` becomes Content-Length, iterating gives the bytes.

    The length is said because some proxies refuse chunked bodies. When a file holds fewer or more bytes than its size,
    or cannot be read, iterating raises StoreFailed before the closing boundary was given out, so that the server cannot
    take what it has for a whole upload.
    """

    def __init__(
        self, files: Sequence[FormFile], *, fields: Mapping[str, str], sent: Callable[[bytes], object] | None = None
    ) -> None:
        """The fields come first. `sent` is given each block of a file before it goes."""
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        told = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in fields.items()
        ]
        self._fields = "".join(told).encode()
        self._parts = [(_head(boundary, file).encode(), file) for file in files]
        self._tail = f"--{boundary}--\r\n".encode()
        self._sent = sent

    def __len__(self) -> int:
        parts = sum(len(head) + file.size + len(_LINE) for head, file in self._parts)
        return len(self._fields) + parts + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        begun = self._fields
        for head, file in self._parts:
            yield begun + head
            yield from self._blocks(file)
            begun = _LINE
        yield begun + self._tail

    def _blocks(self, file: FormFile) -> Iterator[bytes]:
        with _opened(file) as source:
            remaining = file.size
            while remaining:
                block = _read(source, min(BLOCK, remaining))
                if not block:
                    raise StoreFailed(f"the file to send ended {remaining} bytes before the {file.size} it should have")
                remaining -= len(block)
                if self._sent is not None:
                    self._sent(block)
                yield block
            if _read(source, 1):
                raise StoreFailed(f"the file to send is longer than the {file.size} bytes it should have")


_LINE = b"\r\n"


def _head(boundary: str, file: FormFile) -> str:
    plain = is_sendable_name(file.filename)
    called = f'filename="{file.filename}"' if plain else f"filename*=UTF-8''{quote(file.filename, safe='')}"
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{file.name}"; {called}\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )


@contextmanager
def _opened(file: FormFile) -> Iterator[BinaryIO]:
    try:
        opened = file.open()
    except OSError as error:
        raise StoreFailed("the file to send could not be read") from error
    with opened as source:
        yield source


def _read(source: BinaryIO, amount: int) -> bytes:
    try:
        return source.read(amount)
    except OSError as error:  # urllib3 would take it for a broken connection
        raise StoreFailed("the file to send could not be read") from error


class MultipartUpload(MultipartBody):
    """The body of an upload to ComfyUI, whose file is the field `image`."""

    def __init__(
        self,
        source: BinaryIO,
        *,
        filename: str,
        size: int,
        fields: Mapping[str, str],
        sent: Callable[[bytes], object] | None = None,
    ) -> None:
        """As a body of any form; `filename` may hold ASCII letters, digits and `-_.` only: ValueError otherwise."""
        if not is_sendable_name(filename):
            raise ValueError(f"not a name that we send to a server: {filename!r}")
        file = FormFile("image", filename, size, lambda: nullcontext(source))
        super().__init__([file], fields=fields, sent=sent)
