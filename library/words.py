"""Owns what somebody types into a search as words and phrases. The engine's own syntax is not spoken: all that is typed
stands between quotes there, and no text is an error.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from ..db import fulltext
from . import names

_PIECE = re.compile(r'(-?)"([^"]*)(?:"|\Z)|(\S+)')
_TOKEN = re.compile(r"[^\W_]+")
_UNDIVIDED = re.compile(f"[{fulltext.UNDIVIDED}]")


@dataclass(frozen=True)
class Words:
    """What must be there, whole or as the beginnings of words, and what must not, as the index takes it."""

    whole: str
    begun: str
    without: tuple[str, ...]


def read(q: str) -> Words | None:
    """The words of a query: plain ones, "phrases in quotes", and -those that must not be there.

    Signs that stand alone, such as a dash, are no words. None where nothing is left that could be found.

    Raises:
        Invalid: it is empty, longer than 255 characters, or has control characters.
    """
    whole: dict[str, None] = {}
    begun: dict[str, None] = {}
    without: dict[str, None] = {}
    for minus, phrase, word in _PIECE.findall(names.checked_text(q, "q")):
        text = word or phrase
        if word[:1] == "-" and any(letter.isalnum() for letter in word[1:2]):
            minus, text = "-", word[1:]
        if not any(letter.isalnum() for letter in text):
            continue
        if minus:
            without[_quoted(text)] = None
            continue
        whole[_quoted(text)] = None
        begun[_quoted(text) if phrase else _beginning(text)] = None
    if not whole:
        return None
    return Words(" AND ".join(whole), " AND ".join(begun), tuple(without))


def _divided(text: str) -> str:
    """As the index has it: each character of a script without blanks between words is a word."""
    return _UNDIVIDED.sub(r" \g<0> ", text)


def _quoted(text: str) -> str:
    return '"' + _divided(text).replace('"', '""') + '"'


def _beginning(text: str) -> str:
    """What begins with a text's last word. The index has no long beginnings: those that few words have are spelled out,
    and read no further than needed; it would gather everything that begins so before the first is told.
    """
    plain = unicodedata.normalize("NFD", text)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter)).lower()
    last = next(letter for letter in reversed(text) if letter.isalnum())
    if _UNDIVIDED.match(last):
        return _quoted(text)
    tokens = _TOKEN.findall(plain)
    if plain.isascii() and len(tokens[-1]) > fulltext.LONGEST_BEGINNING:
        begun = fulltext.words_that_begin(tokens[-1])
        if begun is not None:
            return "(" + " OR ".join(_quoted(" ".join((*tokens[:-1], word))) for word in begun or tokens[-1:]) + ")"
    return _quoted(text) + "*"
