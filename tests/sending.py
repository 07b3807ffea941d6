"""Makes the multipart bodies that programs send to the hub: right ones through aiohttp, wrong ones by hand."""

from __future__ import annotations

import io

from aiohttp import FormData


def form(
    data: bytes | None, filename: str | None = "picture.png", content_type: str | None = None, **fields: str
) -> FormData:
    """A body with a file, unless `data` is None, and other fields."""
    body = FormData(default_to_multipart=True, quote_fields=False)  # names as browsers and curl write them
    for name, value in fields.items():
        body.add_field(name, value)
    if data is not None:
        # From a file: aiohttp warns of large bytes.
        body.add_field("file", io.BytesIO(data), filename=filename, content_type=content_type)
    return body


def part(name: str, data: bytes, *, filename: bytes | None = None, boundary: bytes = b"edge") -> bytes:
    """One part of a body by hand, in which nothing is escaped."""
    named = b"" if filename is None else b'; filename="' + filename + b'"'
    head = b'--%s\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n' % (boundary, name.encode(), named)
    return head + data + b"\r\n"


def multipart(*parts: bytes, boundary: bytes = b"edge") -> bytes:
    """A whole body by hand."""
    return b"".join(parts) + b"--%s--\r\n" % boundary


BY_HAND = {"Content-Type": "multipart/form-data; boundary=edge"}
"""The header that goes with a body by hand."""
