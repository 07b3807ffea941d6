"""The route that gives an artifact's bytes: ranges, conditions, and nothing that a browser would run.

Whatever its approval: a reviewer has to see it. Bytes that are not those that were recorded are not given at all.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from aiohttp import ETag, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from ..library import artifacts
from ..library.views import Artifact
from ..media import kinds
from . import asking
from .hub import Hub
from .problems import Refused

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})\Z", re.IGNORECASE)
_ANSWERED_HERE = (
    *(hdrs.RANGE, hdrs.IF_MATCH, hdrs.IF_NONE_MATCH, hdrs.IF_MODIFIED_SINCE, hdrs.IF_UNMODIFIED_SINCE, hdrs.IF_RANGE),
    hdrs.ACCEPT_ENCODING,
)


async def download_artifact(hub: Hub, request: web.Request) -> web.StreamResponse:
    artifact_id = asking.path_id(request, "artifact")
    asking.query(request)
    artifact = await hub.run(artifacts.get_downloadable, artifact_id)
    if _names_another(request, hdrs.IF_MATCH, artifact):
        raise Refused(412, "stale_revision", "If-Match names other bytes than these", ETag=f'"{artifact.sha256}"')
    if hdrs.IF_NONE_MATCH in request.headers and not _names_another(request, hdrs.IF_NONE_MATCH, artifact):
        return web.Response(status=304, headers={**_headers(artifact), "ETag": f'"{artifact.sha256}"'})
    return ArtifactFile(artifact, _range(request, artifact))


class ArtifactFile(web.FileResponse):
    """aiohttp's file response under the artifact's own ETag, its hash, in place of one made of time and size."""

    def __init__(self, artifact: Artifact, byte_range: str | None) -> None:
        super().__init__(artifact.local_path)
        self._artifact = artifact
        self._range = byte_range

    @property
    def etag(self) -> ETag | None:
        return ETag(value=self._artifact.sha256)

    @etag.setter
    def etag(self, value: ETag | str | None) -> None:
        # FileResponse would set its own here.
        self.headers[hdrs.ETAG] = f'"{self._artifact.sha256}"'

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Leave the sending to aiohttp, without the conditions, which are answered already."""
        # Only now: before, a middleware of ComfyUI's could put its own Content-Security-Policy over ours.
        self.headers.update(_headers(self._artifact))
        headers = request.headers.copy()
        for name in _ANSWERED_HERE:
            headers.popall(name, None)
        if self._range is not None:
            headers[hdrs.RANGE] = self._range
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


def _range(request: web.Request, artifact: Artifact) -> str | None:
    """The one range of bytes that is asked for. None for the whole file: what is no such range asks for nothing.

    Several ranges, other units and ranges that end before they begin may all be ignored (RFC 9110, section 14.2).

    Raises:
        Refused: 416, the file has no byte in it.
    """
    asked = _RANGE.match(request.headers.get(hdrs.RANGE, "").strip())
    if asked is None or _names_another(request, hdrs.IF_RANGE, artifact):
        return None
    first, last = asked.groups()
    if not first + last or (first and last and int(last) < int(first)):
        return None
    size = artifact.file_size
    if int(first) >= size if first else int(last) == 0:
        raise Refused(416, "bad_range", f"the range is outside of the {size} bytes", Content_Range=f"bytes */{size}")
    return f"bytes={first}-{last}"


def _filename(artifact: Artifact) -> str:
    """The `filename` parameters of Content-Disposition (RFC 6266): plain ASCII, then the whole name in UTF-8."""
    name = artifact.filename
    ascii_name = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return f"filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"
