"""Owns what somebody types into a search as words and phrases. The engine's own syntax is not spoken: all that is typed
stands between quotes there, and no text is an error.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from ..db import fulltext
from . import names

_PIECE = re.compile(r'"([^"]*)(?:"|\Z)|(\S+)')
_WORD = re.compile("[0-9A-Za-z\x80-\U0010ffff]+")
"""What signs and blanks divide: those that are not ASCII are made blanks first."""
_DIVIDES = re.compile("[PSZ]|Cf")
"""Signs, blanks and what only says how to write: categories of Unicode."""
_UNDIVIDED = re.compile(f"[{fulltext.UNDIVIDED}]")


@dataclass(frozen=True)
class Term:
    """Something that must be there: one of `phrases`. What has it has one of each of `parts` too, which are words."""

    phrases: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Words:
    """What must be there, with every word whole, and with the last of each term only begun."""

    whole: tuple[Term, ...]
    begun: tuple[Term, ...]


def read(q: str) -> Words | None:
    """The words of a query: plain ones, and "phrases in quotes".

    Signs that stand alone, such as a dash, are no words. None where nothing is left that could be found.

    Raises:
        Invalid: it is empty, longer than 255 characters, or has control characters.
    """
    whole: dict[Term, None] = {}
    begun: dict[Term, None] = {}
    for phrase, word in _PIECE.findall(names.checked_text(q, "q")):
        words = [one for one in _WORD.findall(_divided(phrase or word)) if any(letter.isalnum() for letter in one)]
        if words:
            whole[_term(words, _quoted(words[-1:]))] = None
            begun[_term(words, _quoted(words[-1:]) if phrase else _beginnings(words[-1]))] = None
    return Words(tuple(whole), tuple(begun)) if whole else None


def _divided(text: str) -> str:
    """As the index has it: signs divide words, and each character of a script without blanks between words is one."""
    divided = "".join(" " if not letter.isascii() and _is_sign(letter) else letter for letter in text)
    return _UNDIVIDED.sub(r" \g<0> ", divided)


def _is_sign(letter: str) -> bool:
    """Whether it divides words in every Unicode: SQLite's is 6.1, and what is younger is a letter there."""
    return all(_DIVIDES.match(unicode.category(letter)) for unicode in (unicodedata.ucd_3_2_0, unicodedata))


def _term(words: list[str], last: tuple[str, ...]) -> Term:
    """Words that follow each other, of which the last is one of several."""
    *before, _ = words
    phrases = tuple(fulltext.FOLLOWED.join((*_quoted(before), one)) for one in last)
    return Term(phrases, (*((one,) for one in _quoted(before)), last))


def _quoted(words: list[str]) -> tuple[str, ...]:
    return tuple(f'"{word}"' for word in words)


def _beginnings(word: str) -> tuple[str, ...]:
    """What begins with a word; a single letter is a word itself. The index has no long beginnings: those that few
    words have are spelled out, and read no further than needed; it would gather all of them before the first is told.
    """
    if len(word) < fulltext.SHORTEST_BEGINNING:
        return _quoted([word])
    plain = unicodedata.normalize("NFD", word)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter)).lower()
    if plain.isascii() and len(plain) > fulltext.LONGEST_BEGINNING:
        begun = fulltext.words_that_begin(plain)
        if begun is not None:
            return _quoted(begun or [plain])
    return (f'"{word}" *',)
