"""Owns the way of encoded bytes: into the store, hashed, and beside it to where ComfyUI shows them from."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import folder_paths

from ..library import identities
from ..media import facts, kinds
from ..storage.files import Part, remove
from ..storage.local import Placement, Store
from .values import Encoding

logger = logging.getLogger("artifact_db.nodes")


def temporary_names(
    prefix: str, extensions: list[str], size: tuple[int, int]
) -> tuple[list[str], list[dict[str, str]]]:
    """Where the copies for ComfyUI's previews go, and what its history says of them. `size`: width and height."""
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_temp_directory(), *size
    )
    results = []
    for index, extension in enumerate(extensions):
        file = f"{name.replace('%batch_num%', str(index))}_{counter + index:05}_.{extension}"
        results.append({"filename": file, "subfolder": subfolder, "type": "temp"})
    return [os.path.join(folder, result["filename"]) for result in results], results


@dataclass(frozen=True)
class Kept:
    """A file in the staging folder, durable, and what is known of its content."""

    placement: Placement
    facts: dict[str, Any]


def keep(store: Store, encoding: Encoding, embedded: dict[str, str], artifact_id: str, place: str) -> Kept:
    """Encode one file into the store, and a copy of it to `place`."""
    placement = _encode(store, encoding, embedded, artifact_id, place)
    found = facts.describe(store.staging / placement.part, kinds.of_format(encoding.extension))
    return Kept(placement, {**found, **encoding.facts})


def _encode(store: Store, encoding: Encoding, embedded: dict[str, str], artifact_id: str, place: str) -> Placement:
    named = {"artifact_id": artifact_id, "extension": encoding.extension, "day": identities.now()[:10]}
    if encoding.seeks:
        with store.encoding(encoding.extension) as written:
            encoding.write(written.path, embedded)
            with _Copy(place) as copy:
                written.read(copy.write)
            return store.finish(written, **named)
    with store.receiving() as part, _Copy(place) as copy:
        encoding.write(_Both(part, copy), embedded)
        return store.finish(part, **named)


def side_by_side(store: Store, keep_one: Callable[[int], Kept], count: int) -> list[Kept]:
    """Encode the files of a batch on several cores: encoders leave Python's lock while they work."""
    with ThreadPoolExecutor(min(count, os.cpu_count() or 1) or 1, thread_name_prefix="artifact-db-encode") as pool:
        kept = [pool.submit(keep_one, index) for index in range(count)]
    errors = [error for future in kept if (error := future.exception())]
    if errors:
        # A full disk, for example: of those that it took nobody was promised any.
        for future in kept:
            if not future.exception():
                remove(store.staging / future.result().placement.part)
        raise errors[0]
    return [future.result() for future in kept]


class _Copy:
    """A file for ComfyUI's previews. One that cannot be written is missed, and nothing else is.

    A second file, never a link: what lies in ComfyUI's folders may be overwritten there.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._file: BinaryIO | None = None

    def __enter__(self) -> _Copy:
        with self._or_without():
            self._file = open(self._place, "wb")
        return self

    def __exit__(self, *_: object) -> None:
        with self._or_without():
            if self._file is not None:
                self._file.close()

    def write(self, data: bytes | memoryview) -> None:
        with self._or_without():
            if self._file is not None:
                self._file.write(data)

    @contextmanager
    def _or_without(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            logger.warning("the preview %s could not be written: %s", os.path.basename(self._place), error)
            self._file = None


class _Both:
    """Writes to a part of the store, and the same bytes to a copy; it has what Pillow asks of a file."""

    def __init__(self, part: Part, copy: _Copy) -> None:
        self._part = part
        self._copy = copy

    def write(self, data: bytes) -> int:
        self._copy.write(data)
        return self._part.write(data)

    def flush(self) -> None:
        self._part.flush()
