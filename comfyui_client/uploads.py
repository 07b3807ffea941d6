"""Owns the body of an upload: multipart/form-data whose length is known beforehand and whose file is read in blocks.

It refuses to hold the file in memory, which requests' own `files=` does, and to send ComfyUI a name that
needs escaping.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO
from urllib.parse import quote

from ..errors import StoreFailed
from .filenames import is_sendable_name

__all__ = ["MultipartBody", "MultipartUpload"]

BLOCK = 256 * 1024  # bytes read and sent at a time


class MultipartBody:
    """A body for requests, to be sent once: its `len()` becomes Content-Length, iterating gives the bytes.

    The length is said because some proxies refuse chunked bodies. `source` is read from where it stands. When it
    holds fewer or more bytes than `size`, or cannot be read, iterating raises StoreFailed before the closing
    boundary was given out, so that the server cannot take what it has for a whole upload.
    """

    def __init__(
        self,
        source: BinaryIO,
        *,
        name: str,
        filename: str,
        size: int,
        fields: Mapping[str, str],
        sent: Callable[[bytes], object] | None = None,
    ) -> None:
        """`name` is the field of the file, `size` in bytes; a `filename` beyond plain ASCII is sent as UTF-8.

        `sent` is given each block of the file before it goes.
        """
        boundary = secrets.token_hex(16)
        plain = is_sendable_name(filename)
        called = f'filename="{filename}"' if plain else f"filename*=UTF-8''{quote(filename, safe='')}"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in fields.items()
        ]
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; {called}\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._head = "".join(parts).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._source = source
        self._size = size
        self._sent = sent

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        remaining = self._size
        while remaining:
            block = self._read(min(BLOCK, remaining))
            if not block:
                raise StoreFailed(f"the file to send ended {remaining} bytes before the {self._size} it should have")
            remaining -= len(block)
            if self._sent is not None:
                self._sent(block)
            yield block
        if self._read(1):
            raise StoreFailed(f"the file to send is longer than the {self._size} bytes it should have")
        yield self._tail

    def _read(self, amount: int) -> bytes:
        try:
            return self._source.read(amount)
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
        super().__init__(source, name="image", filename=filename, size=size, fields=fields, sent=sent)
