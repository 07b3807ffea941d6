"""The least that takes an upload as safely: a multipart body, written and hashed as it comes, then fsynced."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from aiohttp import web

FOLDER = Path(sys.argv[1])


async def upload(request: web.Request) -> web.Response:
    reader = await request.multipart()
    async for part in reader:
        digest = hashlib.sha256()
        path = FOLDER / os.urandom(8).hex()
        with path.open("wb") as file:
            while chunk := await part.read_chunk(1 << 16):
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        return web.json_response({"sha256": digest.hexdigest(), "path": str(path)})
    raise web.HTTPBadRequest


app = web.Application(client_max_size=1 << 34)
app.router.add_post("/upload", upload)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[2]), print=None)
