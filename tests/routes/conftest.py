"""Fixtures that more than one file of this folder asks for."""

from hubs import hub, serve
from locking import impatient

__all__ = ["hub", "impatient", "serve"]
