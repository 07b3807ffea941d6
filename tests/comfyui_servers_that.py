"""Real servers on 127.0.0.1: one that does as ComfyUI does, and ones that do whatever a test needs done wrong."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

TOKEN = "s3cret-t0ken"
SUCCESS = {"status_str": "success", "completed": True, "messages": []}
LARGEST_UPLOAD = 100 * 1024 * 1024  # bytes; ComfyUI's default for --max-upload-size


class ComfyUI:
    """The routes that we ask, with the semantics that ComfyUI 0.3.75 was seen to have; `histories` are its prompts.

    With `hashes` it answers an upload as later ones do with `--enable-assets`: with the hash of what it stored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[web.Request] = []
        self.fields: list[dict[str, str]] = []
        self.after_storing: Callable[[Path], None] = lambda path: None
        self.hashes: Callable[[Path], str] | None = None
        self.histories: dict[str, dict[str, Any]] = {}
        self.queue: dict[str, list[Any]] = {"queue_running": [], "queue_pending": []}
        self.on_queue: Callable[[], None] = lambda: None
        self.queued: list[dict[str, Any]] = []
        self.runs: Callable[[dict[str, Any]], tuple[dict[str, Any], Any]] | None = None
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.interrupted: list[str] = []
        self.away = False
        self.wants: dict[str, str] = {}
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self.node_types: dict[str, Any] = {}
        self.instead: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {}
        self.app = web.Application(client_max_size=LARGEST_UPLOAD, middlewares=[self._remember])
        self.app.router.add_post("/upload/image", self._upload)
        self.app.router.add_get("/view", self._view)
        self.app.router.add_get("/system_stats", self._system_stats)
        self.app.router.add_get("/history/{prompt_id}", self._history)
        self.app.router.add_get("/queue", self._queue)
        self.app.router.add_post("/queue", self._delete_queued)
        self.app.router.add_post("/interrupt", self._interrupt)
        self.app.router.add_post("/prompt", self._prompt)
        self.app.router.add_get("/prompt", self._exec_info)
        self.app.router.add_get("/object_info", self._object_info)
        self.app.router.add_get("/ws", self._websocket)
        self.url = ""

    def ran(
        self, prompt_id: str, outputs: dict[str, Any], *, status: Any = SUCCESS, graph: Any = None, **extra: Any
    ) -> None:
        """A prompt has ended, and these are its outputs; see `file` for those that are files.

        There is no moment at which it is neither in the queue nor in the history, as ComfyUI has none.
        """
        self.histories[prompt_id] = {
            "prompt": [1, prompt_id, graph or {"9": {"class_type": "SaveImage", "inputs": {}}}, extra, list(outputs)],
            "outputs": outputs,
            "status": status,
            "meta": {},
        }
        for place in self.queue.values():
            for entry in list(place):
                if entry[1] == prompt_id:
                    place.remove(entry)

    def file(self, filename: str, data: bytes, *, subfolder: str = "", type: str = "output") -> dict[str, str]:
        """A file in one of its folders, as a node reports it."""
        path = self.folder / type / subfolder / filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return {"filename": filename, "subfolder": subfolder, "type": type}

    def views(self) -> list[str]:
        """The names of the files that were asked for, in their order."""
        return [request.query["filename"] for request in self.requests if request.path == "/view"]

    @web.middleware
    async def _remember(self, request: web.Request, handler: Any) -> Any:
        self.requests.append(request)
        if self.away:
            assert request.transport is not None
            request.transport.abort()
        if any(request.headers.get(name) != value for name, value in self.wants.items()):
            return web.Response(status=401)
        return await handler(request)

    async def _upload(self, request: web.Request) -> web.Response:
        post = await request.post()
        file = post["image"]
        assert isinstance(file, web.FileField)
        self.fields.append({name: value for name, value in post.items() if isinstance(value, str)})
        subfolder = str(post.get("subfolder", ""))
        target = self.folder / str(post.get("type", "input")) / subfolder
        target.mkdir(parents=True, exist_ok=True)
        path, count = target / file.filename, 1
        while path.exists() and not _same_bytes(path, file.file):
            path = target / f"{Path(file.filename).stem} ({count}){Path(file.filename).suffix}"
            count += 1
        file.file.seek(0)
        with path.open("wb") as stored:
            while block := file.file.read(65536):
                stored.write(block)
        self.after_storing(path)
        answer = {"name": path.name, "subfolder": subfolder, "type": post.get("type", "input")}
        if self.hashes is not None:
            answer["asset"] = {"id": "1", "name": path.name, "asset_hash": self.hashes(path), "tags": ["input"]}
        return web.json_response(answer)

    async def _view(self, request: web.Request) -> web.StreamResponse:
        asked = request.query
        if asked["filename"] in self.instead:
            return await self.instead[asked["filename"]](request)
        path = self.folder / asked.get("type", "output") / asked.get("subfolder", "") / asked["filename"]
        return web.FileResponse(path) if path.is_file() else web.Response(status=404)

    async def _history(self, request: web.Request) -> web.Response:
        prompt_id = request.match_info["prompt_id"]
        there = {prompt_id: self.histories[prompt_id]} if prompt_id in self.histories else {}
        return web.json_response(there)

    async def _queue(self, request: web.Request) -> web.Response:
        answer = web.json_response(self.queue)
        self.on_queue()
        return answer

    async def _prompt(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.queued.append(asked)
        if self.refusal is not None:
            status, answer = self.refusal
            return web.json_response(answer, status=status)
        if self.runs is None:
            self.queue["queue_pending"].append([0, asked["prompt_id"], asked["prompt"], asked["extra_data"], []])
        else:
            outputs, status = self.runs(asked["prompt"])
            extra = {**asked["extra_data"], "client_id": asked["client_id"]}
            self.ran(asked["prompt_id"], outputs, status=status, graph=asked["prompt"], **extra)
        return web.json_response({"prompt_id": asked["prompt_id"], "number": 0, "node_errors": {}})

    async def _exec_info(self, request: web.Request) -> web.Response:
        return web.json_response({"exec_info": {"queue_remaining": sum(map(len, self.queue.values()))}})

    async def _delete_queued(self, request: web.Request) -> web.Response:
        gone = (await request.json())["delete"]
        self.queue["queue_pending"] = [item for item in self.queue["queue_pending"] if item[1] not in gone]
        return web.Response()

    async def _interrupt(self, request: web.Request) -> web.Response:
        self.interrupted.append((await request.json())["prompt_id"])
        return web.Response()

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets[request.query["clientId"]] = socket
        async for _ in socket:
            pass
        self.sockets.pop(request.query["clientId"], None)
        return socket

    def tell(self, kind: str, **data: Any) -> None:
        """Tell everybody who listens."""
        self.say(json.dumps({"type": kind, "data": data}))

    def say(self, text: str) -> None:
        """Send everybody who listens a text."""
        assert self.loop is not None
        for socket in list(self.sockets.values()):
            with suppress(ConnectionError):  # who hears enough hangs up
                asyncio.run_coroutine_threadsafe(socket.send_str(text), self.loop).result()

    async def _object_info(self, request: web.Request) -> web.Response:
        return web.json_response(self.node_types)

    async def _system_stats(self, request: web.Request) -> web.Response:
        return web.json_response({"system": {"comfyui_version": "0.3.75"}, "devices": []})


def _same_bytes(path: Path, file: Any) -> bool:
    file.seek(0)
    with path.open("rb") as stored:
        while True:
            ours, theirs = stored.read(65536), file.read(65536)
            if ours != theirs:
                return False
            if not ours:
                return True


@contextmanager
def serving(folder: Path, certificate: Path | None = None) -> Iterator[ComfyUI]:
    """A server that does as ComfyUI does, with its folders below this one; with TLS if it gets a certificate."""
    server = ComfyUI(folder)
    loop = server.loop = asyncio.new_event_loop()
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    runner = web.AppRunner(server.app, shutdown_timeout=0.1)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()

    async def end() -> None:
        assert runner.server is not None
        for connection in runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()  # One that is kept would wait for the other side to end its TLS.
        await asyncio.sleep(0)
        await runner.cleanup()

    loop.run_until_complete(start())
    server.url = "http{}://{}:{}".format("s" if tls else "", *runner.addresses[0][:2])
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[ComfyUI]:
    with serving(tmp_path / "comfyui") as server:
        yield server


class Request(BaseHTTPRequestHandler):
    """A request to a misbehaving server, as its `behave` function gets it."""

    protocol_version = "HTTP/1.1"
    server: Misbehaving

    def do_GET(self) -> None:
        self.server.headers_seen.append(dict(self.headers))
        self.close_connection = True
        self.server.behave(self)

    def do_POST(self) -> None:
        self.do_GET()

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Read the request's body to its end, then answer and hang up."""
        self.read_body()
        self.send_response(status)
        self.send_header("Connection", "close")
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def read_body(self) -> None:
        remaining = int(self.headers.get("Content-Length", 0))
        while remaining:
            remaining -= len(self.rfile.read(min(65536, remaining)))

    def write_until_hung_up(self, piece: bytes, *, pause: float) -> None:
        """Write `piece` again and again, every `pause` seconds, until the client goes or the test is over."""
        try:
            while not self.server.over.wait(pause):
                self.wfile.write(piece)
        except OSError:
            self.server.hung_up.set()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class Misbehaving(ThreadingHTTPServer):
    """A server that does to each request what `behave` does."""

    daemon_threads = False  # so that server_close() waits for them

    def __init__(self, behave: Callable[[Request], object], certificate: Path | None) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.tls = None
        if certificate is not None:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate)
        self.behave = behave
        self.headers_seen: list[dict[str, str]] = []
        self.over = threading.Event()
        self.hung_up = threading.Event()
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server_port}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is None:
            super().finish_request(request, client_address)
        else:
            with self.tls.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hung up


@pytest.fixture
def server_that() -> Iterator[Callable[..., Misbehaving]]:
    """Start a server with the behaviour given, with TLS if it gets a certificate.

    `server_that(lambda request: request.answer(500))`
    """
    running: list[tuple[Misbehaving, threading.Thread]] = []

    def start(behave: Callable[[Request], object], certificate: Path | None = None) -> Misbehaving:
        server = Misbehaving(behave, certificate)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
