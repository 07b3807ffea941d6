"""Owns clones: new files that share the blocks of others until either is written, where the file system does that."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .files import remove

if sys.platform == "linux":
    import fcntl

    _FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)

    def _clone(descriptor: int, target: Path) -> None:
        made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.ioctl(made, _FICLONE, descriptor)
        finally:
            os.close(made)

elif sys.platform == "darwin":
    import ctypes

    _AT_FDCWD, _CLONE_NOOWNERCOPY = -2, 2  # sys/fcntl.h, sys/clonefile.h

    def _clone(descriptor: int, target: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.fclonefileat(descriptor, _AT_FDCWD, os.fsencode(target), _CLONE_NOOWNERCOPY):
            raise OSError(ctypes.get_errno(), "no clone")
        os.chmod(target, 0o600)

else:

    def _clone(descriptor: int, target: Path) -> None:
        raise OSError("no clones on this system")


def clone(descriptor: int, target: Path) -> bool:
    """Make a new file with the bytes of an open one, which nobody else may read.

    Returns:
        False where the file system makes no clones, or not of this file; nothing is left at `target` then.
    Raises:
        FileExistsError: something is at `target`; it stays.
    """
    try:
        _clone(descriptor, target)
    except FileExistsError:
        raise
    except (OSError, AttributeError):  # AttributeError: a libc without the call.
        remove(target)
        return False
    return True
