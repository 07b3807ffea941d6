"""Owns talking to one configured ComfyUI server over HTTP: deliver a file, ask what a prompt made, fetch files.

It refuses to know the database, the library, and which artifact is which: names and bytes come in, errors go out.

| module | owns |
| --- | --- |
| `servers` | the calls of a server's HTTP interface |
| `connections` | clients that are kept for a while after their use |
| `health` | how servers are |
| `histories` | what a server's history reports of a prompt, by shape |
| `sessions` | the HTTP edge: one origin, no redirects, an end to every wait, every failure as one of our errors |
| `websockets` | what a server tells of a prompt while it runs |
| `uploads` | the body of an upload, streamed |
| `filenames` | which names we send, and which we take from a server |
"""

from __future__ import annotations

from ..config import Server
from .histories import History, Reported
from .servers import ComfyUIServer, Uploaded

__all__ = ["ComfyUIServer", "History", "Reported", "Server", "Uploaded"]
