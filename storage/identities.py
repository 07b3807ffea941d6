"""Owns what tells one store from another: a small file with an id, written once, beside the folders of the store.

Where it is not, there is no store: only a folder, such as the one that a disk is mounted on.
"""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

from ..errors import StoreFailed
from .exports import give_name
from .files import remove, store_errors, sync_folder, write_durably

ID_FILE = "store-id"
EXPLANATION = "This names the store; its database has the same id. Keep it with the files.\n"

_ID = re.compile(rb"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\n")


def identity(root: Path) -> str | None:
    """The id of the store in a folder; None where there is none.

    Raises:
        StoreFailed: it cannot be read, or is damaged.
    """
    with store_errors("reading its id"):
        try:
            found = _ID.match((root / ID_FILE).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
    if found is None:
        raise StoreFailed(f"the store's file {ID_FILE} is damaged; bring it back from a backup of the store")
    return found[1].decode()


def identify(root: Path, new_id: str) -> str:
    """Give the store in a folder an id, durably, unless it has one; returns the one it has from now on.

    It appears as a whole, and of several processes at once one is the first.

    Raises:
        StoreFailed: the disk refuses.
    """
    passing = root / f".{ID_FILE}-{uuid.uuid4().hex}"
    with store_errors("giving it an id"):
        try:
            write_durably(passing, f"{new_id}\n{EXPLANATION}".encode())
            passing.chmod(0o444)
            give_name(passing, root / ID_FILE)
        except FileExistsError:
            pass
        finally:
            remove(passing)
        sync_folder(root)
    return identity(root) or new_id


def is_bare(root: Path) -> bool:
    """Whether a folder holds nothing of a store: it is not there, or has no file in any of its folders."""
    return not any(names for _, _, names in os.walk(root))
