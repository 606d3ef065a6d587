"""A server for one person on this machine.

The server is bound to 127.0.0.1.  That alone does not keep other web sites out: a page in the same browser can let its
own name point to 127.0.0.1 (DNS rebinding), or send requests there.  So the header Host must name this server, the
header Origin, if there is one, must be this server, and a body must be JSON, which no foreign page may send unasked.
"""

import json
import os
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

__all__ = ["LOCAL", "LocalHandler", "LocalServer", "RefusedError", "as_json", "listen", "page_source"]

LOCAL = "127.0.0.1"
MAX_BODY = 1 << 20

HEADERS: dict[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class LocalServer(ThreadingHTTPServer):
    """The server; `content` is what its handler answers with."""

    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # elsewhere two servers could listen at one port

    content: Any

    @property
    def url(self) -> str:
        """Where a browser finds the page."""
        return f"http://{LOCAL}:{self.server_port}/"


def listen(handler: "type[LocalHandler]", content: Any, port: int = 0) -> LocalServer:
    """Listen at a port of this machine; call ``serve_forever`` to answer.

    Parameters
    ----------
    handler : subclass of LocalHandler
    content : object
        What the handler answers with, as ``self.server.content``.
    port : int
        0 for any free one.

    Raises
    ------
    OSError
        If the port is in use, or may not be used.
    """
    try:
        server = LocalServer((LOCAL, port), handler)
    except (OSError, OverflowError) as error:
        reason = "is in use" if getattr(error, "errno", None) in _IN_USE else f"cannot be used ({error})"
        raise OSError(f"port {port} {reason}: choose another with --port, or leave it out for any free one") from None
    server.content = content
    return server


_IN_USE = (48, 98, 10048)  # EADDRINUSE on macOS, Linux, Windows


def page_source(name: str, **constants: Any) -> str:
    """A page as it is in the package, with some of its constants of the form ``const NAME = null;`` filled in."""
    page = files(__package__).joinpath(name).read_text(encoding="utf-8")
    for constant, value in constants.items():
        mark = f"const {constant} = null;"
        if page.count(mark) != 1:
            raise RuntimeError(f"{name} must hold {mark!r} once")
        inside = json.dumps(value).replace("</", "<\\/")  # a name of a class must not end the script
        page = page.replace(mark, f"const {constant} = {inside};")
    return page


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, code: int, text: str):
        super().__init__(text)
        self.code = code


class LocalHandler(BaseHTTPRequestHandler):
    """Answer one request.  A subclass defines `answer_get` and `answer_post`.

    Both return the kind and the bytes of the answer.  A ValueError is answered with status 400 and its message.
    """

    server: LocalServer
    timeout = 30  # seconds for a client that sends nothing

    def do_GET(self) -> None:
        """Answer a request without a body."""
        self._answer(self.answer_get)

    def do_POST(self) -> None:
        """Answer a request with a body."""
        self._answer(self.answer_post)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Print no line for each request."""

    def _answer(self, make: Callable[[], tuple[str, bytes]]) -> None:
        try:
            self._check_source()
            kind, body = make()
            code = 200
        except RefusedError as error:
            code, kind, body = error.code, "text/plain; charset=utf-8", str(error).encode()
        except (ValueError, KeyError, TypeError) as error:
            text = f"{error.args[0]}: missing" if isinstance(error, KeyError) else str(error)
            code, kind, body = 400, "text/plain; charset=utf-8", text.encode()
        except ConnectionError:
            return
        try:
            self.send_response(code)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **HEADERS}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:  # the browser has left
            self.close_connection = True

    def _check_source(self) -> None:
        port = self.server.server_port
        hosts = {f"{name}:{port}" for name in (LOCAL, "localhost")}
        if self.headers.get("Host", "").lower() not in hosts:
            raise RefusedError(403, f"Host: expected {LOCAL}:{port}")
        origin = self.headers.get("Origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in hosts}:
            raise RefusedError(403, f"Origin: expected {self.server.url}")

    def answer_get(self) -> tuple[str, bytes]:
        """Answer a request for `path` without a body."""
        raise NotImplementedError(f"{type(self).__name__} does not define answer_get()")

    def answer_post(self) -> tuple[str, bytes]:
        """Answer a request for `path` whose body `body` reads."""
        raise NotImplementedError(f"{type(self).__name__} does not define answer_post()")

    def body(self) -> dict[str, Any]:
        """The JSON object of the request."""
        if self.headers.get_content_type() != "application/json":
            raise RefusedError(415, "Content-Type: expected application/json")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            raise RefusedError(411, "Content-Length: expected a whole number")
        if len(length) > 9 or int(length) > MAX_BODY:
            self.close_connection = True
            raise RefusedError(413, f"the body is too large: at most {MAX_BODY} bytes")
        try:
            content = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise RefusedError(400, "the body is not JSON") from None
        if not isinstance(content, dict):
            raise RefusedError(400, f"expected a JSON object, got {type(content).__name__}")
        return content


def as_json(content: Any) -> tuple[str, bytes]:
    """An answer as JSON."""
    return "application/json", json.dumps(content).encode()
