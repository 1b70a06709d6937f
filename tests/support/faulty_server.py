"""A real HTTP server on this machine that misbehaves as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Fault = Callable[["Handler", bytes, int], bool]
"""Answers a request for these bytes from this offset, or gives False to have it answered well."""


@dataclass
class Server:
    """What it serves, what it does wrong (one fault a request, then none), what it saw."""

    url: str
    content: bytes = b""
    files: dict[str, bytes] = field(default_factory=dict)
    """What it serves by path ("/fold_1.zip"); `content` is served for all others."""
    faults: list[Fault] = field(default_factory=list)
    always: Fault | None = None
    ranges: list[str | None] = field(default_factory=list)
    sent: int = 0


@contextmanager
def faulty_server(content: bytes = b"") -> Iterator[Server]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.block_on_close = False
    server = Server(f"http://127.0.0.1:{http.server_address[1]}/model.zip", content)
    http.told = server  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        told: Server = self.server.told  # type: ignore[attr-defined]
        told.ranges.append(self.headers.get("Range"))
        fault = told.faults.pop(0) if told.faults else told.always
        content = told.files.get(self.path, told.content)
        asked = (self.headers.get("Range") or "bytes=0-").removeprefix("bytes=")
        start = int(asked.split("-")[0])
        try:
            if fault is None or not fault(self, content, start):
                self.answer(content, start)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def answer(self, content: bytes, start: int = 0, *, claim: int | None = None) -> None:
        """Headers and the content from `start` on; `claim` lies about the length."""
        if start > len(content) or (start and start == len(content)):
            self.head(416, 0)
            return
        body = content[start:]
        extra = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        self.head(
            206 if start else 200, len(body) if claim is None else claim, extra if start else {}
        )
        self.send(body)

    def head(self, status: int, length: int, extra: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **(extra or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def send(self, body: bytes) -> None:
        """Counted before the bytes go: who has received them finds them counted."""
        self.server.told.sent += len(body)  # type: ignore[attr-defined]
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        return


def cut_after(count: int) -> Fault:
    """The whole length is promised, `count` bytes come, the connection closes."""

    def fault(handler: Handler, content: bytes, start: int) -> bool:
        body = content[start:]
        handler.head(206 if start else 200, len(body), _range(content, start))
        handler.send(body[:count])
        handler.close_connection = True
        return True

    return fault


def status(code: int) -> Fault:
    def fault(handler: Handler, _content: bytes, _start: int) -> bool:
        handler.head(code, 0)
        return True

    return fault


def redirect(to: str) -> Fault:
    def fault(handler: Handler, _content: bytes, _start: int) -> bool:
        handler.head(302, 0, {"Location": to})
        return True

    return fault


def claims(extra: int) -> Fault:
    """Announces `extra` bytes more (or fewer) than there are, then closes."""

    def fault(handler: Handler, content: bytes, start: int) -> bool:
        handler.answer(content, start, claim=len(content) - start + extra)
        handler.close_connection = True
        return True

    return fault


def other(content: bytes) -> Fault:
    """Serves something else, with an honest length."""

    def fault(handler: Handler, _content: bytes, start: int) -> bool:
        handler.answer(content, start)
        return True

    return fault


def endless(handler: Handler, _content: bytes, _start: int) -> bool:
    """Announces no length and never stops."""
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    while True:
        handler.send(bytes(1 << 16))


def no_ranges(handler: Handler, content: bytes, _start: int) -> bool:
    handler.answer(content)
    return True


def encoded(handler: Handler, content: bytes, _start: int) -> bool:
    handler.head(200, len(content), {"Content-Encoding": "gzip"})
    handler.send(content)
    return True


def slow(size: int, pause: float) -> Fault:
    """Sends `size` bytes, waits, and so on."""

    def fault(handler: Handler, content: bytes, start: int) -> bool:
        body = content[start:]
        handler.head(206 if start else 200, len(body), _range(content, start))
        for at in range(0, len(body), size):
            handler.send(body[at : at + size])
            handler.wfile.flush()
            time.sleep(pause)
        return True

    return fault


def silent(seconds: float) -> Fault:
    def fault(handler: Handler, content: bytes, _start: int) -> bool:
        handler.head(200, len(content))
        handler.send(content[: len(content) // 2])
        handler.wfile.flush()
        time.sleep(seconds)
        handler.close_connection = True
        return True

    return fault


def _range(content: bytes, start: int) -> dict[str, str]:
    return {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
