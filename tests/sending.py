"""Makes the multipart bodies that programs send to the hub: right ones through aiohttp, wrong ones by hand."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any
from uuid import uuid4

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


def outputs(*files: bytes, **told: Any) -> list[dict[str, Any]]:
    """What the record of a handover says of pictures that nobody has recorded, each the first of another node."""
    return [
        {
            "artifact_id": str(uuid4()),
            "output_key": f"{9 + index}:images:0",
            "filename": f"{index}.png",
            "sha256": hashlib.sha256(data).hexdigest(),
            **told,
        }
        for index, data in enumerate(files)
    ]


def handover(record: dict[str, Any], *files: bytes) -> FormData:
    """A body with a record and files; the outputs are made up where the record has none."""
    body = FormData(default_to_multipart=True, quote_fields=False)
    body.add_field("record", json.dumps({"outputs": outputs(*files), **record}))
    for data in files:
        body.add_field("file", io.BytesIO(data), filename="blob")
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
