"""A small HTTP store for the tests of transfer: keeps objects, honours If-None-Match, and fails as it is told."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Trouble = Callable[['Handler'], None]


@dataclass
class Store:
    """What the server holds and saw. `troubles[method, path]` are played once each, in order, before it behaves."""

    objects: dict[str, bytes] = field(default_factory=dict)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    troubles: dict[tuple[str, str], list[Trouble]] = field(default_factory=lambda: defaultdict(list))
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    origin: str = ''
    azure: bool = False

    def url(self, path: str) -> str:
        return f'{self.origin}{path}?sig=TOP-SECRET&se=2030'

    def methods(self, path: str) -> list[str]:
        return [method for method, seen, _ in self.seen if seen == path]


class Handler(BaseHTTPRequestHandler):
    """Speaks for one store."""

    store: Store
    protocol_version = 'HTTP/1.1'

    def handle_one(self) -> None:
        path = urlsplit(self.path).path
        self.store.seen.append((self.command, path, {name.lower(): value for name, value in self.headers.items()}))
        troubles = self.store.troubles[self.command, path]
        if troubles:
            troubles.pop(0)(self)
            return
        getattr(self, f'on_{self.command.lower()}')(path)

    do_GET = do_PUT = do_HEAD = handle_one

    def answer(self, status: int, body: bytes = b'', **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    def on_get(self, path: str) -> None:
        content = self.store.objects.get(path)
        self.answer(404, b'<Code>NoSuchKey</Code>') if content is None else self.answer(200, content, **self.store.metadata.get(path, {}))

    on_head = on_get

    def on_put(self, path: str) -> None:
        body = self.rfile.read(int(self.headers['Content-Length']))
        if path in self.store.objects and self.headers.get('If-None-Match') == '*':
            if self.store.azure:
                self.answer(409, b'<Error><Code>BlobAlreadyExists</Code></Error>', x_ms_error_code='BlobAlreadyExists')
            else:
                self.answer(412, b'<Error><Code>PreconditionFailed</Code></Error>')
            return
        self.store.objects[path] = body
        self.answer(201)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def status(code: int, body: bytes = b'', **headers: str) -> Trouble:
    """Answers with a status; reads what was sent first."""

    def play(handler: Handler) -> None:
        handler.rfile.read(int(handler.headers.get('Content-Length', '0')))
        handler.answer(code, body, **headers)

    return play


def hang_up(handler: Handler) -> None:
    """Closes without an answer."""
    handler.close_connection = True


def cut_off(handler: Handler) -> None:
    """Promises more bytes than it sends."""
    handler.send_response(200)
    handler.send_header('Content-Length', '1000000')
    handler.end_headers()
    handler.wfile.write(b'half')
    handler.close_connection = True


def keep_but_lose_the_answer(handler: Handler) -> None:
    """Stores the object, then closes without an answer: what a retry must cope with."""
    handler.store.objects[urlsplit(handler.path).path] = handler.rfile.read(int(handler.headers['Content-Length']))
    handler.close_connection = True


def refuse_before_reading(handler: Handler) -> None:
    """Answers 403 at once and closes, while the client is still sending."""
    handler.answer(403, b'<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>', Connection='close')
    handler.close_connection = True


@contextmanager
def running_store() -> Iterator[Store]:
    store = Store()
    handler = type('BoundHandler', (Handler,), {'store': store})
    server = ThreadingHTTPServer(('127.0.0.1', 0), handler)
    server.daemon_threads = True
    store.origin = f'http://127.0.0.1:{server.server_address[1]}'
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.02}, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
