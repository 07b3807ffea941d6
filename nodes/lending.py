"""Owns how a stored video is lent to a graph: read from the disk as it is asked for, and never written to."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from av.error import FFmpegError
from comfy_api.latest import Input, InputImpl

from ..errors import NotUsable, WrongFileType
from ..storage.files import FileState


class LentFile(io.BytesIO):
    """A stored file that ComfyUI takes for one in memory, as its videos must be a path or a BytesIO.

    A path is not given away: what a node does with it, it would do to our bytes. Memory holds only what is being read.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("rb")
        self._state = FileState.of(os.fstat(self._file.fileno()))

    def read(self, size: int | None = -1, /) -> bytes:
        return self._file.read(-1 if size is None else size)

    read1 = read

    def readinto(self, buffer: Any, /) -> int:
        return self._file.readinto(buffer)

    readinto1 = readinto

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._file.readline(-1 if size is None else size)

    def __next__(self) -> bytes:
        return next(self._file)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Raises NotUsable where the file was changed since it was lent."""
        if offset == whence == 0 and FileState.of(os.fstat(self._file.fileno())) != self._state:
            raise NotUsable("the bytes of the video were changed on the disk since it was loaded")
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def getvalue(self) -> bytes:
        """All of it, for those who want that."""
        here = self._file.tell()
        self._file.seek(0)
        data = self._file.read()
        self._file.seek(here)
        return data

    def getbuffer(self) -> memoryview:
        return memoryview(self.getvalue())

    def writable(self) -> bool:
        return False

    def write(self, _: Any, /) -> int:
        raise io.UnsupportedOperation("a stored video is not written to")

    def writelines(self, _: Any, /) -> None:
        raise io.UnsupportedOperation("a stored video is not written to")

    def truncate(self, _: int | None = None, /) -> int:
        raise io.UnsupportedOperation("a stored video is not written to")

    def close(self) -> None:
        self._file.close()
        super().close()


def from_video(path: Path) -> Input.Video:
    """A video whose bytes are those of a stored file.

    Raises:
        WrongFileType: it is damaged, or there are no pictures in it.
    """
    video = InputImpl.VideoFromFile(LentFile(path))
    try:
        video.get_dimensions()
    except (FFmpegError, ValueError) as error:
        raise WrongFileType(f"the video cannot be read: {error}", field="video") from error
    return video
