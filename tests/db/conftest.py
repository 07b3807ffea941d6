"""Fixtures that more than one file of this folder asks for."""

from locking import impatient

__all__ = ["impatient"]
