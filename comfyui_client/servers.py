"""Owns the calls of a configured ComfyUI server's HTTP interface that the project makes.

It refuses any address but the configured one, and believes no answer: lengths, names and shapes are checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from ..config import Server
from ..errors import DeliveryFailed, Invalid, PromptRefused, ServerFailed
from .contents import Digests, told_hash
from .filenames import is_plain_name, is_plain_subfolder
from .histories import History, TooMany
from .node_types import NodeTypes, refused_nodes
from .uploads import MultipartUpload
from .validators import Validators

if TYPE_CHECKING:
    import requests

__all__ = ["ComfyUIServer", "Server", "Uploaded"]

LARGEST_JSON = 1024 * 1024  # bytes
LARGEST_HISTORY = 64 * 1024 * 1024  # bytes; graphs with pictures in their widgets, and a queue of hundreds of them
BLOCK = 256 * 1024  # bytes read at a time
SLOWEST = 64 * 1024
"""Bytes a second: what comes faster than this may take longer than `deadline`."""

STORING = 16 * 1024 * 1024
"""Bytes a second that a server is given to store what it was sent, before it counts as silent."""

LONGEST_LIST = 8
"""How many nodes that were refused a message names."""

_FOLDER_TYPES = ("input", "output", "temp")


@dataclass(frozen=True)
class Uploaded:
    """Where a server put a file, in its input folder: it chooses another name when the one asked for is taken.

    `proven` is the sha256, in hexadecimal, of what it stored, where it told the hash of that by itself.
    """

    filename: str
    subfolder: str
    proven: str | None = None


class ComfyUIServer:
    """One Server, spoken to over kept-alive connections. For one thread at a time; a context manager.

    Every call raises ServerUnreachable when the server does not answer, falls silent for `timeout` seconds, or has
    not finished after `deadline` seconds; ServerFailed when it refuses (401, 403, a redirect, any other status);
    DeliveryFailed when its answer is not what was asked for. Each names the server in `data["server"]`; none
    quotes what the server wrote.
    """

    def __init__(
        self, server: Server, *, timeout: float = 30.0, deadline: float = 600.0, validators: Validators | None = None
    ) -> None:
        """`validators`: what other clients have read, so that this one need not read it again."""
        from .sessions import OriginSession  # here, so that ComfyUI starts without importing requests

        self.server = server
        self._validators = validators or Validators()
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

        The answer says where the file went, and that it arrived whole only where it is `proven`: else `fetch_digest`
        does. A large file may take longer than `deadline`, as `download` says. Raises ValueError for a `filename`
        beyond ASCII letters, digits and `-_.`, Invalid for a `subfolder` that leads elsewhere, StoreFailed when
        `source` cannot be read or has not `size` bytes, and what the class says.
        """
        digests, left, longer = Digests(), size, size // STORING

        def sent(block: bytes) -> None:
            nonlocal left
            digests.update(block)
            left -= len(block)
            if left:
                self._session.grant(len(block) / SLOWEST)
            else:
                self._session.restart(longer)

        self._refuse_subfolder(subfolder)
        fields = {"type": "input", "subfolder": subfolder, "overwrite": "false"}
        body = MultipartUpload(source, filename=filename, size=size, fields=fields, sent=sent)
        headers = {"Content-Type": body.content_type}
        with self._session.exchange("POST", "/upload/image", headers=headers, body=body, longer=longer) as response:
            answer = self._json_object(response)
        taken, where = answer.get("name"), answer.get("subfolder", "")
        if not isinstance(taken, str) or not is_plain_name(taken):
            raise self._delivery_failed("answered the upload without a plain file name")
        if not isinstance(where, str) or not is_plain_subfolder(where):
            raise self._delivery_failed("answered the upload with a subfolder that is not a plain one")
        if answer.get("type", "input") != "input":
            raise self._delivery_failed("put the upload into another folder than its input folder")
        return Uploaded(filename=taken, subfolder=where, proven=digests.proven_by(told_hash(answer)))

    def fetch_digest(self, *, filename: str, subfolder: str, folder_type: str, size: int) -> str | None:
        """The sha256, in hexadecimal, of what the server gives for this file; None when it has no such file.

        One that was read before, and of which the server says that it has not changed since, is not read again. Else
        streamed, at most `size` bytes and one block; a large one may take longer than `deadline`, as `download` says.
        Raises DeliveryFailed, with `data["lasting"]`, when the file is longer or shorter than `size` bytes, ValueError
        for a `filename` that is not plain or a `folder_type` other than input, output, temp, Invalid for a `subfolder`
        that leads elsewhere, and what the class says.
        """
        self._refuse_subfolder(subfolder)
        if not is_plain_name(filename) or folder_type not in _FOLDER_TYPES:
            raise ValueError(f"not a file of a ComfyUI folder: {filename!r} in {folder_type!r}")
        asked = {"filename": filename, "subfolder": subfolder, "type": folder_type}
        file = (self.server.url, *asked.values(), str(size))
        known = self._validators.of(file)
        headers, also = ({"If-None-Match": known[0]}, (304, 404)) if known else ({}, (404,))
        with self._session.exchange("GET", "/view", params=asked, headers=headers, also=also) as response:
            if response.status_code == 404:
                return None
            if known and response.status_code == 304:
                return known[1]
            digest, length = hashlib.sha256(), 0
            for block in response.iter_content(BLOCK):
                length += len(block)
                if length > size:
                    raise self._delivery_failed(f"gives a file that is longer than the {size} bytes sent", lasting=True)
                self._session.grant(len(block) / SLOWEST)
                digest.update(block)
        if length < size:
            told = f"gives a file of {length} bytes, shorter than the {size} sent"
            raise self._delivery_failed(told, lasting=True)
        self._validators.remember(file, response.headers.get("ETag", ""), digest.hexdigest())
        return digest.hexdigest()

    def download(
        self,
        write: Callable[[bytes], object],
        *,
        filename: str,
        subfolder: str,
        folder_type: str,
        most: int,
        wanted: Callable[[int], bool] | None = None,
    ) -> int | None:
        """Give `write` a file of one of the server's folders, block by block; returns its size in bytes.

        None when the server has no such file, or `wanted` says no to the size that it announces; of such a file nothing
        is read. A file may take longer than `deadline`, by a second for every `SLOWEST` bytes that have come. Raises
        DeliveryFailed when it breaks off, is not as long as announced, has no announced end, or is longer than `most`
        bytes, and when its name or folder is none that can be asked for; whatever `write` raises; and what the class
        says. With `data["lasting"]` the next try would end in the same way.
        """
        if not is_plain_name(filename) or not is_plain_subfolder(subfolder) or folder_type not in _FOLDER_TYPES:
            raise self._delivery_failed("reports a file whose name or folder is none to ask for", lasting=True)
        too_long = f"gives a file of more than the {most} bytes that this hub takes"
        asked = {"filename": filename, "subfolder": subfolder, "type": folder_type}
        with self._session.exchange("GET", "/view", params=asked, also=(404,)) as response:
            if response.status_code == 404:
                return None
            announced = _announced(response)
            if announced is None and not response.raw.chunked:
                # It would end where the connection does, and nobody could tell whether that is its end.
                raise self._delivery_failed("sends a file without saying where it ends")
            if announced is not None and announced > most:
                raise self._delivery_failed(too_long, lasting=True)
            if wanted is not None and (announced is None or not wanted(announced)):
                return None
            length = 0
            for block in response.iter_content(BLOCK):
                length += len(block)
                if length > most:
                    raise self._delivery_failed(too_long, lasting=True)
                self._session.grant(len(block) / SLOWEST)
                write(block)
        return length

    def history(self, prompt_id: str) -> History | None:
        """What the server's history says of a prompt; None while it runs, and when the server does not know it.

        Raises DeliveryFailed when the entry is none, and what the class says.
        """
        if not _is_askable(prompt_id):
            return None
        with self._session.exchange("GET", f"/history/{quote(prompt_id, safe='')}") as response:
            entry = self._json_object(response, LARGEST_HISTORY).get(prompt_id)
        if entry is None:
            return None
        if not isinstance(entry, dict):
            raise self._delivery_failed("keeps a history of this prompt that is not an object")
        try:
            return History.of(entry)
        except (TooMany, RecursionError) as error:
            raise self._delivery_failed("reports more outputs for this prompt than any prompt has") from error

    def queue_prompt(
        self, graph: dict[str, Any], *, prompt_id: str, client_id: str, extra_data: dict[str, Any] | None = None
    ) -> None:
        """Queue a graph under an id of our own choosing.

        Raises PromptRefused when the server will not run it as it stands, and what the class says. After
        ServerUnreachable it may have been queued all the same: `place_in_queue` and `history` tell.
        """
        asked = {"prompt": graph, "prompt_id": prompt_id, "client_id": client_id, "extra_data": extra_data or {}}
        with self._sending("/prompt", asked, also=(400,)) as response:
            status, queued = response.status_code, response.status_code != 400
            try:
                answer = self._json_object(response, LARGEST_HISTORY)
            except DeliveryFailed as error:
                if queued:
                    raise
                told = f"server {self.server.name!r} answered with status {status}"
                raise ServerFailed(told, server=self.server.name, status=status) from error
        refusals = list(refused_nodes(answer, graph))
        if not queued or refusals:
            what = "; ".join(refusals[:LONGEST_LIST]) or self._why_not(graph)
            raise PromptRefused(
                f"server {self.server.name!r} answered {status} and refuses the graph: {what}",
                **{"server": self.server.name, "status": status, "queued": queued},
            )

    def _why_not(self, graph: dict[str, Any]) -> str:
        """Why a graph is refused of which no node is: where nodes are missing, ComfyUI looks no further."""
        with suppress(ServerFailed):
            if missing := self.node_types().missing(graph):
                return f"the server has no {', no '.join(missing[:LONGEST_LIST])}"
        return "it has no output, or is none that this server can run"

    def interrupt(self, prompt_id: str) -> None:
        """End a prompt that executes, or take it out of the queue; it may be neither. Raises what the class says."""
        for path, value in (("/queue", {"delete": [prompt_id]}), ("/interrupt", {"prompt_id": prompt_id})):
            with self._sending(path, value) as response:
                for _ in response.iter_content(BLOCK):
                    pass  # An answer that does not end is none.

    def queue_length(self) -> int:
        """How many prompts execute or wait there. Raises what the class says."""
        with self._session.exchange("GET", "/prompt") as response:
            told = self._json_object(response).get("exec_info")
        remaining = told.get("queue_remaining") if isinstance(told, dict) else None
        if not isinstance(remaining, int) or isinstance(remaining, bool) or remaining < 0:
            raise self._delivery_failed("does not say how long its queue is")
        return remaining

    def node_types(self) -> NodeTypes:
        """The nodes that the server has, and what their inputs may be. Raises what the class says."""
        with self._session.exchange("GET", "/object_info") as response:
            return NodeTypes.of(self._json_object(response, LARGEST_HISTORY))

    def place_in_queue(self, prompt_id: str) -> str | None:
        """`executing` or `queued`; None when the prompt is not in the server's queue. Raises what the class says."""
        with self._session.exchange("GET", "/queue") as response:
            queue = self._json_object(response, LARGEST_HISTORY)
        for name, state in (("queue_running", "executing"), ("queue_pending", "queued")):
            items = queue.get(name)
            if any(_is_of(item, prompt_id) for item in (items if isinstance(items, list) else [])):
                return state
        return None

    def system_stats(self) -> dict[str, Any]:
        """What ComfyUI says of its version, memory and devices: proof that it is there. Raises what the class says."""
        with self._session.exchange("GET", "/system_stats") as response:
            return self._json_object(response)

    def _sending(
        self, path: str, value: dict[str, Any], also: tuple[int, ...] = ()
    ) -> AbstractContextManager[requests.Response]:
        # NaN is not JSON, and a graph may hold it where a node is never to be cached.
        body = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        return self._session.exchange("POST", path, headers={"Content-Type": "application/json"}, body=body, also=also)

    def _json_object(self, response: requests.Response, most: int = LARGEST_JSON) -> dict[str, Any]:
        text = bytearray()
        for block in response.iter_content(BLOCK):
            text += block
            if len(text) > most:
                raise self._delivery_failed(f"sent a JSON answer of more than {most} bytes")
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

    def _delivery_failed(self, what: str, **data: Any) -> DeliveryFailed:
        return DeliveryFailed(f"server {self.server.name!r} {what}", server=self.server.name, **data)


def _announced(response: requests.Response) -> int | None:
    """The length in bytes that an answer says it has."""
    said = response.headers.get("Content-Length", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 19 else None


def _is_askable(prompt_id: str) -> bool:
    """Whether an id can stand in a path: a part of dots would lead to another one."""
    return prompt_id.strip(".") != "" and prompt_id.isprintable()


def _is_of(item: Any, prompt_id: str) -> bool:
    return isinstance(item, list) and len(item) > 1 and item[1] == prompt_id
