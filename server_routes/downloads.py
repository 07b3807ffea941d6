"""The route that gives an artifact's bytes: ranges, conditions, and nothing that a browser would run.

Whatever its approval: a reviewer has to see it. Bytes that are not those that were recorded are not given at all.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from aiohttp import ETag, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from ..errors import Gone, NotUsable
from ..library import artifacts
from ..library.opening import Library
from ..library.views import Artifact
from ..media import kinds
from . import asking
from .hub import Hub
from .problems import Refused

_CONDITIONS = (
    *(hdrs.IF_MATCH, hdrs.IF_NONE_MATCH, hdrs.IF_MODIFIED_SINCE, hdrs.IF_UNMODIFIED_SINCE, hdrs.IF_RANGE),
    hdrs.ACCEPT_ENCODING,
)


async def download_artifact(hub: Hub, request: web.Request) -> web.StreamResponse:
    artifact = await hub.run(_downloadable, asking.path_id(request, "artifact"))
    if _names_another(request, hdrs.IF_MATCH, artifact):
        raise Refused(412, "stale_revision", "If-Match names other bytes than these", ETag=f'"{artifact.sha256}"')
    if hdrs.IF_NONE_MATCH in request.headers and not _names_another(request, hdrs.IF_NONE_MATCH, artifact):
        return web.Response(status=304, headers={**_headers(artifact), "ETag": f'"{artifact.sha256}"'})
    _check_range(request, artifact.file_size)
    return ArtifactFile(artifact)


def _downloadable(library: Library, artifact_id: str) -> Artifact:
    artifact = artifacts.get_artifact(library, artifact_id)
    if artifact.bytes_removed_at is not None:
        raise Gone(f"the bytes of artifact {artifact.id} were removed on {artifact.bytes_removed_at}")
    if not artifacts.has_its_bytes(library, artifact):
        raise NotUsable(
            f"the bytes of artifact {artifact.id} are gone or are not those that were recorded", artifact=artifact
        )
    return artifact


class ArtifactFile(web.FileResponse):
    """aiohttp's file response under the artifact's own ETag, its hash, in place of one made of time and size."""

    def __init__(self, artifact: Artifact) -> None:
        super().__init__(artifact.local_path, headers=_headers(artifact))
        self._artifact = artifact

    @property
    def etag(self) -> ETag | None:
        return ETag(value=self._artifact.sha256)

    @etag.setter
    def etag(self, value: ETag | str | None) -> None:
        # FileResponse would set its own here.
        self.headers[hdrs.ETAG] = f'"{self._artifact.sha256}"'

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Leave the sending to aiohttp, without the conditions, which are answered already."""
        headers = request.headers.copy()
        if _names_another(request, hdrs.IF_RANGE, self._artifact):
            headers.popall(hdrs.RANGE, None)
        for name in _CONDITIONS:
            headers.popall(name, None)
        return await super().prepare(request.clone(headers=headers))


def _headers(artifact: Artifact) -> dict[str, str]:
    kind = kinds.of_format(artifact.file_format)
    return {
        "Content-Type": kind.media_type if kind.inline else "application/octet-stream",
        "Content-Disposition": f"{'inline' if kind.inline else 'attachment'}; {_filename(artifact)}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-cache",
    }


def _names_another(request: BaseRequest, header: str, artifact: Artifact) -> bool:
    """Whether a header names ETags, and none of them is this artifact's hash."""
    value = request.headers.get(header)
    if value is None or value.strip() == "*":
        return False
    return artifact.sha256 not in re.findall(r'"([^"]*)"', value)


def _check_range(request: web.Request, size: int) -> None:
    try:
        start = request.http_range.start
    except ValueError:
        start = size
    if start is not None and start >= size:
        raise Refused(416, "bad_range", f"the range is outside of the {size} bytes", Content_Range=f"bytes */{size}")


def _filename(artifact: Artifact) -> str:
    """The `filename` parameters of Content-Disposition (RFC 6266): plain ASCII, then the whole name in UTF-8."""
    name = artifact.filename
    ascii_name = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return f"filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"
