"""Owns talking to one configured ComfyUI server over HTTP: deliver a file, read back what arrived, ask how it is.

It refuses to know the database, the library, and which artifact is which: names and bytes come in, errors go out.

| module | owns |
| --- | --- |
| `servers` | the calls of a server's HTTP interface |
| `sessions` | the HTTP edge: one origin, no redirects, an end to every wait, every failure as one of our errors |
| `uploads` | the body of an upload, streamed |
| `filenames` | which names we send, and which we take from a server |
"""

from __future__ import annotations

from ..config import Server
from .servers import ComfyUIServer, Uploaded

__all__ = ["ComfyUIServer", "Server", "Uploaded"]
