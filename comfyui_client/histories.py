"""Owns how a server's history of one prompt is read: what it reports as outputs, and how the prompt ended.

It goes by shape alone, since every node invents keys of its own, and believes nothing: what has another shape than it
should is left out, and names are checked by whoever asks for the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TypeGuard

__all__ = ["TEXT", "History", "Reported", "TooMany"]

TEXT = "text"
"""The one key whose strings are outputs themselves."""

OWN_NODES = ("SaveToArtifactDB", "LoadFromArtifactDB")
"""Nodes of this project, whose texts tell a person what they did: those are no outputs."""

MOST_OUTPUTS = 10_000
DEEPEST = 16
"""How far lists and objects of a node's own shape are followed."""

LONGEST_MESSAGE = 2000

_OF_FILES = ("images", "audio", "latents")
"""The keys under which our own node reports files."""

_NOT_OF_A_NODE = re.compile(r"[\s/\\\x00-\x1f]")
_NOT_OF_A_KIND = re.compile(r"[^A-Za-z0-9_.-]")


class TooMany(ValueError):
    """A history reports more outputs than any prompt has."""


@dataclass(frozen=True)
class Reported:
    """One output as a history reports it: a file of one of the server's folders, or a `text`.

    `index` counts what a node reports under one key, over all of its runs. `kept_as` is the artifact as which the
    server's own SaveToArtifactDB says that it kept the file, `kept_in` the id of the store in which that lies, or will;
    what is reported then is a copy for previews.
    """

    node_id: str
    kind: str
    index: int
    filename: str = ""
    subfolder: str = ""
    folder_type: str = "output"
    text: str | None = None
    kept_as: str | None = None
    kept_in: str | None = None

    @property
    def output_key(self) -> str:
        return f"{self.node_id}:{self.kind}:{self.index}"


@dataclass(frozen=True)
class History:
    """A prompt that has ended. `ending` is success, error, interrupted, or empty where the server does not say.

    `cached` are the nodes that did not run, since they had with the same inputs before: they report what they did then.
    """

    outputs: tuple[Reported, ...]
    ending: str
    message: str | None = None
    graph: dict[str, Any] | None = None
    extra_pnginfo: dict[str, Any] | None = None
    client_id: str | None = None
    cached: frozenset[str] = frozenset()

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> History:
        """Read one entry of `/history`, or of the history that ComfyUI keeps in memory. Raises TooMany."""
        prompt = entry.get("prompt")
        prompt = [*prompt, *[None] * 4] if _is_list(prompt) else [None] * 4
        extra, graph = _object(prompt[3]) or {}, _object(prompt[2])
        ending, message = _ending(entry.get("status"))
        client_id = extra.get("client_id")
        return cls(
            outputs=tuple(_reported(_object(entry.get("outputs")) or {}, graph or {})),
            ending=ending,
            message=message,
            graph=_plain(graph),
            extra_pnginfo=_plain(_object(extra.get("extra_pnginfo"))),
            client_id=_readable(client_id)[:255] if isinstance(client_id, str) else None,
            cached=frozenset(_cached(entry.get("status"))),
        )


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    """What JSON makes a list of: in memory ComfyUI keeps some as tuples."""
    return isinstance(value, (list, tuple))


def _reported(outputs: Mapping[str, Any], graph: Mapping[str, Any]) -> Iterator[Reported]:
    counts: dict[tuple[str, str], int] = {}
    total = 0
    for node, shown in outputs.items():
        node_id = _NOT_OF_A_NODE.sub("_", _readable(node))[:200] or "_"
        kept = _kept(_object(shown) or {})
        own = kept is not None or (_object(graph.get(node)) or {}).get("class_type") in OWN_NODES
        for key, value in (_object(shown) or {}).items():
            if key == TEXT and own and (kept is None or kept.key != TEXT):
                continue
            kind = _NOT_OF_A_KIND.sub("_", key)[:64] or "_"
            for item in _items(value, with_texts=key == TEXT):
                index = counts.get((node_id, kind), 0)
                counts[(node_id, kind)] = index + 1
                total += 1
                if total > MOST_OUTPUTS:
                    raise TooMany
                is_kept = kept is not None and kept.key == key and index < len(kept.ids)
                as_, in_ = (kept.ids[index], kept.store_id) if kept is not None and is_kept else (None, None)
                yield replace(_one(node_id, kind, index, item), kept_as=as_, kept_in=in_)


def _one(node_id: str, kind: str, index: int, item: str | dict[str, Any]) -> Reported:
    if isinstance(item, str):
        return Reported(node_id, kind, index, text=_readable(item))
    subfolder, folder_type = item.get("subfolder"), item.get("type")
    return Reported(
        *(node_id, kind, index),
        filename=item["filename"],
        # A server on Windows writes its own separators, and takes ours.
        subfolder=subfolder.replace("\\", "/").rstrip("/") if isinstance(subfolder, str) else "",
        folder_type=folder_type if isinstance(folder_type, str) and folder_type else "output",
    )


def _items(value: Any, *, with_texts: bool, depth: int = 0) -> Iterator[str | dict[str, Any]]:
    """The files in a value of any shape, and its strings where those are outputs."""
    if isinstance(value, str):
        if with_texts:
            yield value
    elif isinstance(value, dict) and isinstance(value.get("filename"), str) and value["filename"]:
        yield value
    elif isinstance(value, (list, tuple, dict)) and depth < DEEPEST:
        within = value.values() if isinstance(value, dict) else value
        for inner in within:
            # A string that is the member of some object is a label of it, not a text that a node put out.
            yield from _items(inner, with_texts=with_texts and _is_list(value), depth=depth + 1)


@dataclass(frozen=True)
class _Kept:
    """Under which key our own node reports what it recorded, the artifacts, one for each, and where they lie."""

    key: str
    ids: Sequence[str]
    store_id: str | None


def _kept(shown: Mapping[str, Any]) -> _Kept | None:
    """None: another node reports."""
    ids = shown.get("artifact_ids")
    if not _is_list(ids) or not all(isinstance(one, str) for one in ids):
        return None
    for key in [key for key in _OF_FILES if key in shown] or [TEXT]:
        reported = shown.get(key)
        if _is_list(reported) and len(reported) == len(ids):
            store = shown.get("artifact_store")
            named = store[0] if _is_list(store) and len(store) == 1 else None
            return _Kept(key, list(ids), named if isinstance(named, str) else None)
    return None


def _ending(status: Any) -> tuple[str, str | None]:
    told = _object(status)
    if told is None:
        return "", None
    if told.get("status_str") == "success":
        return "success", None
    for event, data in reversed(_messages(told)):
        if event == "execution_interrupted":
            return "interrupted", None
        if event == "execution_error":
            return "error", _blame(_object(data) or {})
    return ("error", None) if told.get("status_str") == "error" else ("", None)


def _cached(status: Any) -> Iterator[str]:
    for event, data in _messages(_object(status) or {}):
        nodes = (_object(data) or {}).get("nodes")
        if event == "execution_cached" and _is_list(nodes):
            yield from map(str, nodes)


def _messages(status: Mapping[str, Any]) -> list[Sequence[Any]]:
    messages = status.get("messages")
    return [one for one in messages if _is_list(one) and len(one) == 2] if _is_list(messages) else []


def _blame(data: Mapping[str, Any]) -> str:
    node, kind, said = (data.get(name) for name in ("node_id", "node_type", "exception_message"))
    where = f"node {node}" if isinstance(node, (str, int)) else "a node"
    where += f" ({kind})" if isinstance(kind, str) else ""
    text = said.strip() if isinstance(said, str) and said.strip() else "failed"
    return _readable(f"{where}: {text}")[:LONGEST_MESSAGE]


def _object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _plain(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """What came as JSON, as every JSON reader and every database takes it: no NaN, no halves of surrogate pairs."""
    if value is None:
        return None
    text = _readable(json.dumps(value, ensure_ascii=False, default=str))
    plain: dict[str, Any] = json.loads(text, parse_constant=lambda _: None)
    return plain


def _readable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
