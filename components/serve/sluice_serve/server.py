"""The sockets: reads a request within limits, asks the routes, writes the answer; drains when it is told to stop.

One thread per connection; the model is immutable and shared.
"""

import json
import logging
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

from sluice_serve.exchange import BadRequest, Request, Response, error_response
from sluice_serve.routes import Service, answer, is_health

log = logging.getLogger('sluice_serve')
SOCKET_SECONDS = 60
LINGER_SECONDS = 5
LINGER_BYTES = 256 * 1024 * 1024


class ModelServer(ThreadingHTTPServer):
    """Listens from the moment it is made; `serve_forever` answers."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], service: Service, max_body: int, max_requests: int) -> None:
        self.service = service
        self.max_body = max_body
        self.slots = threading.BoundedSemaphore(max_requests)
        self.draining = threading.Event()
        self._idle = threading.Condition()
        self._working = 0
        super().__init__(address, Handler)

    def enter(self) -> None:
        """A request has begun and must be finished before the process ends."""
        with self._idle:
            self._working += 1

    def leave(self) -> None:
        with self._idle:
            self._working -= 1
            self._idle.notify_all()

    def drain(self, seconds: float) -> bool:
        """Stops accepting, then waits for the requests that have begun; False where some were still running."""
        self.draining.set()
        self.shutdown()
        self.server_close()
        with self._idle:
            return self._idle.wait_for(lambda: self._working == 0, timeout=seconds)


class Handler(BaseHTTPRequestHandler):
    """One connection; keep-alive, every answer with its length."""

    server: ModelServer
    protocol_version = 'HTTP/1.1'
    server_version = 'sluice-serve'
    sys_version = ''
    timeout: ClassVar[int] = SOCKET_SECONDS
    """A client that is silent for so long is let go."""
    disable_nagle_algorithm = True
    unread = False

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _handle(self) -> None:
        self.server.enter()
        try:
            started = time.monotonic()
            response = self._respond()
            self._write(response)
            self._linger()
            path = urlsplit(self.path).path
            if not is_health(path) or response.status >= 400:
                milliseconds = round((time.monotonic() - started) * 1000, 1)
                line = {'method': self.command, 'path': path[:200], 'status': response.status, 'milliseconds': milliseconds}
                log.info(json.dumps(line))
        except (ConnectionError, TimeoutError) as error:
            self.close_connection = True
            log.info(json.dumps({'method': self.command, 'connection': type(error).__name__}))
        finally:
            self.server.leave()

    def _respond(self) -> Response:
        try:
            parts = urlsplit(self.path)
            path = unquote(parts.path, errors='strict')
            body = self._body()
            request = Request(
                method=self.command,
                path=path,
                query=dict(parse_qsl(parts.query, max_num_fields=20)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=body,
            )
        except BadRequest as error:
            # The body was not read, so the connection cannot carry another request.
            self.close_connection = True
            self.unread = True
            return error_response(error.status, error.code, error.message)
        except ValueError as error:
            self.close_connection = True
            return error_response(400, 'bad-request', f'the request line cannot be read: {error}')
        if is_health(path):
            # While it drains, a platform must stop sending; what still comes over open connections is answered.
            if self.server.draining.is_set():
                return error_response(503, 'stopping', 'the server is stopping; ask another one')
            return answer(request, self.server.service)
        if not self.server.slots.acquire(blocking=False):
            return error_response(503, 'busy', 'too many requests at once; try again', {'Retry-After': '1'})
        try:
            return answer(request, self.server.service)
        except Exception:
            log.exception('a request failed inside the server')
            return error_response(500, 'internal', 'the server failed on this request; its log says why')
        finally:
            self.server.slots.release()

    def _body(self) -> bytes:
        if 'transfer-encoding' in self.headers:
            raise BadRequest('a chunked body is not taken; send Content-Length', 'length-required', 411)
        stated: list[str] = self.headers.get_all('Content-Length', [])
        if not stated:
            if self.command in ('POST', 'PUT'):
                raise BadRequest('the request has no Content-Length', 'length-required', 411)
            return b''
        if len(set(stated)) != 1 or not re.fullmatch(r'[0-9]{1,15}', stated[0]):
            raise BadRequest('Content-Length is not one whole number')
        length = int(stated[0])
        if length > self.server.max_body:
            raise BadRequest(f'the body has {length} bytes; at most {self.server.max_body} are taken', 'body-too-large', 413)
        body = self.rfile.read(length)
        if len(body) != length:
            raise ConnectionError('the body ended early')
        return body

    def _write(self, response: Response) -> None:
        if self.server.draining.is_set():
            self.close_connection = True
        self.send_response(response.status)
        self.send_header('Content-Type', response.contentType)
        self.send_header('Content-Length', str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header('Connection', 'close')
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(response.body)

    def _linger(self) -> None:
        """Swallows what a refused client still sends: closing at once would reset the connection before it reads why."""
        if not self.unread:
            return
        self.connection.settimeout(1)
        deadline = time.monotonic() + LINGER_SECONDS
        left = LINGER_BYTES
        while left > 0 and time.monotonic() < deadline and (block := self.connection.recv(64 * 1024)):
            left -= len(block)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library refuses by itself (a broken request line, an unknown method) is JSON too."""
        self.close_connection = True
        if not hasattr(self, 'command') or self.command is None:
            self.command = ''
        # A request line that did not parse counts as HTTP/0.9, whose answers have no status line.
        self.request_version = self.protocol_version
        self._write(error_response(code, 'bad-request', message or 'the request cannot be read'))

    def log_message(self, format: str, *args: object) -> None:
        """The library's own access log would print whole request lines; ours leaves queries out."""
