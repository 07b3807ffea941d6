"""Owns the calls of a configured ComfyUI server's HTTP interface that the project makes.

It refuses any address but the configured one, and believes no answer: lengths, names and shapes are checked.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from ..config import Server
from ..errors import DeliveryFailed, Invalid
from .filenames import is_plain_name, is_plain_subfolder
from .uploads import MultipartUpload

if TYPE_CHECKING:
    import requests

__all__ = ["ComfyUIServer", "Server", "Uploaded"]

LARGEST_JSON = 1024 * 1024  # bytes
BLOCK = 256 * 1024  # bytes read at a time

_FOLDER_TYPES = ("input", "output", "temp")


@dataclass(frozen=True)
class Uploaded:
    """Where a server put a file, in its input folder: it chooses another name when the one asked for is taken."""

    filename: str
    subfolder: str


class ComfyUIServer:
    """One Server, spoken to over kept-alive connections. For one thread at a time; a context manager.

    Every call raises ServerUnreachable when the server does not answer, falls silent for `timeout` seconds, or has
    not finished after `deadline` seconds; ServerFailed when it refuses (401, 403, a redirect, any other status);
    DeliveryFailed when its answer is not what was asked for. Each names the server in `data["server"]`; none
    quotes what the server wrote.
    """

    def __init__(self, server: Server, *, timeout: float = 30.0, deadline: float = 600.0) -> None:
        from .sessions import OriginSession  # here, so that ComfyUI starts without importing requests

        self.server = server
        self._session = OriginSession(server, timeout=timeout, deadline=deadline)

    def __enter__(self) -> ComfyUIServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    def upload(self, source: BinaryIO, *, filename: str, subfolder: str, size: int) -> Uploaded:
        """Put the `size` bytes of `source` into the server's input folder, streamed; never replaces a file there.

        The answer says where the file went, not that it arrived whole: `fetch_digest` does. Raises ValueError for a
        `filename` beyond ASCII letters, digits and `-_.`, Invalid for a `subfolder` that leads elsewhere,
        StoreFailed when `source` cannot be read or has not `size` bytes, and what the class says.
        """
        self._refuse_subfolder(subfolder)
        fields = {"type": "input", "subfolder": subfolder, "overwrite": "false"}
        body = MultipartUpload(source, filename=filename, size=size, fields=fields)
        with self._session.exchange(
            "POST", "/upload/image", headers={"Content-Type": body.content_type}, body=body
        ) as response:
            answer = self._json_object(response)
        taken, where = answer.get("name"), answer.get("subfolder", "")
        if not isinstance(taken, str) or not is_plain_name(taken):
            raise self._delivery_failed("answered the upload without a plain file name")
        if not isinstance(where, str) or not is_plain_subfolder(where):
            raise self._delivery_failed("answered the upload with a subfolder that is not a plain one")
        if answer.get("type", "input") != "input":
            raise self._delivery_failed("put the upload into another folder than its input folder")
        return Uploaded(filename=taken, subfolder=where)

    def fetch_digest(self, *, filename: str, subfolder: str, folder_type: str, size: int) -> str | None:
        """The sha256, in hexadecimal, of what the server gives for this file; None when it has no such file.

        Streamed, at most `size` bytes and one block. Raises DeliveryFailed when the file is longer or shorter than
        `size` bytes, ValueError for a `filename` that is not plain or a `folder_type` other than input, output,
        temp, Invalid for a `subfolder` that leads elsewhere, and what the class says.
        """
        self._refuse_subfolder(subfolder)
        if not is_plain_name(filename) or folder_type not in _FOLDER_TYPES:
            raise ValueError(f"not a file of a ComfyUI folder: {filename!r} in {folder_type!r}")
        asked = {"filename": filename, "subfolder": subfolder, "type": folder_type}
        with self._session.exchange("GET", "/view", params=asked, also=(404,)) as response:
            if response.status_code == 404:
                return None
            digest, length = hashlib.sha256(), 0
            for block in response.iter_content(BLOCK):
                length += len(block)
                if length > size:
                    raise self._delivery_failed(f"gives a file that is longer than the {size} bytes sent")
                digest.update(block)
        if length < size:
            raise self._delivery_failed(f"gives a file of {length} bytes, shorter than the {size} sent")
        return digest.hexdigest()

    def system_stats(self) -> dict[str, Any]:
        """What ComfyUI says of its version, memory and devices: proof that it is there. Raises what the class says."""
        with self._session.exchange("GET", "/system_stats") as response:
            return self._json_object(response)

    def _json_object(self, response: requests.Response) -> dict[str, Any]:
        text = bytearray()
        for block in response.iter_content(BLOCK):
            text += block
            if len(text) > LARGEST_JSON:
                raise self._delivery_failed(f"sent a JSON answer of more than {LARGEST_JSON} bytes")
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._delivery_failed("sent an answer that is not JSON") from error
        if not isinstance(answer, dict):
            raise self._delivery_failed("sent JSON that is not an object")
        return answer

    def _refuse_subfolder(self, subfolder: str) -> None:
        if not is_plain_subfolder(subfolder):
            raise Invalid("subfolder must be plain names joined by /", field="subfolder")

    def _delivery_failed(self, what: str) -> DeliveryFailed:
        return DeliveryFailed(f"server {self.server.name!r} {what}", server=self.server.name)
