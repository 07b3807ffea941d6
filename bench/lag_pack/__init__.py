"""A custom node pack without nodes: it tells how late ComfyUI's event loop was, at worst, since it was last asked."""

import asyncio
import time

from aiohttp import web
from server import PromptServer

NODE_CLASS_MAPPINGS = {}
PAUSE = 0.002
worst = 0.0


async def watch(_):
    asyncio.get_running_loop().create_task(look())


async def look():
    global worst
    while True:
        began = time.perf_counter()
        await asyncio.sleep(PAUSE)
        worst = max(worst, time.perf_counter() - began - PAUSE)


@PromptServer.instance.routes.get("/bench/lag")
async def lag(_):
    global worst
    told, worst = worst, 0.0
    return web.json_response({"worst": told})


PromptServer.instance.app.on_startup.append(watch)
