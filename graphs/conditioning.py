"""Owns the prompt texts behind a conditioning: through what combines, steers or masks it, to what encodes a text.

Told by shape: an encoder has inputs for texts, everything else passes conditionings on.
"""

from __future__ import annotations

from typing import Any

from .shapes import NEGATIVE, POSITIVE, is_conditioning
from .values import MAX_LETTERS, OK, PARTIAL, UNKNOWN, Inputs, Link, Reading, Told

_PAIRS = {
    POSITIVE: ("positive_prompt", "positive", "text_positive", "pos_prompt", "prompt_positive"),
    NEGATIVE: ("negative_prompt", "negative", "text_negative", "neg_prompt", "prompt_negative"),
}
"""Names of texts on a node that encodes both."""

_TEXTS = (
    *("text", "prompt", "populated_text", "text_g", "text_l", "clip_l", "clip_g", "t5xxl", "llama", "bert", "mt5xl"),
    *("user_prompt", "tags", "lyrics", "caption"),
)


def prompt(reading: Reading, given: Any, role: str, opposite: Any = None) -> Told | None:
    """The texts behind one conditioning input, each once, joined by line breaks.

    Args:
        role: `POSITIVE` or `NEGATIVE`, for nodes that hold both.
        opposite: the conditioning of the other role beside it.
    Returns:
        What is told; None where there certainly is no text: nothing is connected, or it is zeroed out.
    """
    texts = _Texts(reading)
    texts.walk(given, role, opposite)
    return texts.told()


def guidance(reading: Reading, given: Any) -> Told | None:
    """How strongly a distilled model is steered: the first `guidance` on the way of a positive conditioning."""
    texts = _Texts(reading)
    texts.walk(given, POSITIVE, None)
    return reading.number(texts.guidances[0]) if texts.guidances else None


class _Texts:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._told: list[Told] = []
        self._certain = True
        self.guidances: list[Any] = []

    def walk(self, given: Any, role: str, opposite: Any) -> None:
        waiting, seen = [(given, role, opposite)], set()
        while waiting:
            value, role, opposite = waiting.pop()
            link = self._reading.link(value)
            if link is None:
                if isinstance(value, str):
                    self._told.append(Told(OK, value))
                elif value is None or isinstance(value, list):
                    self._certain = False  # it leads to a node that is not there, or was not understood
                continue
            if (link, role) in seen:
                continue
            seen.add((link, role))
            if self._reading.spent(1 + len(self._reading.inputs(link[0]))):
                self._certain = False
                break
            ways = self._reading.ways(link[0])
            if ways is not None:
                self._certain = self._certain and ways[1]
                waiting.extend((way, role, None) for way in reversed(ways[0]))
            elif not self._zeroed(link[0]):
                waiting.extend(reversed(self._node(link, role, self._reading.link(opposite))))

    def told(self) -> Told | None:
        texts = list(dict.fromkeys(told.value for told in self._told if told.value is not None))
        certain = self._certain and all(told.state == OK for told in self._told)
        if not texts:
            return None if certain else Told(UNKNOWN)
        text = "\n".join([text for text in texts if text])
        return Told(OK if certain and len(text) <= MAX_LETTERS else PARTIAL, text[:MAX_LETTERS])

    def _zeroed(self, node_id: str) -> bool:
        """A conditioning whose numbers are all set to zero says nothing, whatever text it came from."""
        inputs = self._reading.inputs(node_id)
        return set(inputs) == {"conditioning"} and "zeroout" in self._reading.class_of(node_id).lower().replace("_", "")

    def _node(self, link: Link, role: str, opposite: Link | None) -> list[tuple[Any, str, Any]]:
        """Take the texts of a node; returns the conditionings that it passes on, each with its role and opposite."""
        inputs = self._reading.inputs(link[0])
        if "guidance" in inputs:
            self.guidances.append(inputs["guidance"])
        linked = {name: value for name, value in inputs.items() if is_conditioning(name) and self._reading.link(value)}
        if POSITIVE in linked and NEGATIVE in linked:
            role = self._role(link, role, opposite)
            other = NEGATIVE if role == POSITIVE else POSITIVE
            return [(linked[role], role, linked[other])]
        texts = self._texts_of(inputs, role)
        self._told.extend(map(self._reading.text, texts))
        if not linked and not texts:
            self._certain = False
        return [(value, role, None) for value in linked.values()]

    def _role(self, link: Link, role: str, opposite: Link | None) -> str:
        """Which of the two that a node passes on is taken at one of its outputs: the positive one comes first.

        Some nodes give out something before the two, so that one output alone does not always say.
        """
        if opposite is not None and opposite[0] == link[0] and opposite[1] != link[1]:
            if (link[1] > opposite[1]) == (role == POSITIVE):
                return NEGATIVE if role == POSITIVE else POSITIVE
        elif link[1] != (POSITIVE, NEGATIVE).index(role) or "model" in self._reading.inputs(link[0]):
            self._certain = False
        return role

    def _texts_of(self, inputs: Inputs, role: str) -> list[Any]:
        own = [inputs[name] for name in _PAIRS[role] if self._is_text(inputs.get(name))]
        if own:
            return own[:1]
        other = _PAIRS[NEGATIVE if role == POSITIVE else POSITIVE]
        if role == NEGATIVE and any(self._is_text(inputs.get(name)) for name in other):
            return []
        return [inputs[name] for name in _TEXTS if name in inputs and self._may_be_text(name, inputs)]

    def _is_text(self, value: Any) -> bool:
        return isinstance(value, str) or (
            self._reading.link(value) is not None and self._reading.text(value).state == OK
        )

    def _may_be_text(self, name: str, inputs: Inputs) -> bool:
        # A widget for `clip_l` holds a text; a loader's holds the name of a file and is not met here.
        return isinstance(inputs[name], str) or self._reading.link(inputs[name]) is not None
