"""A tracking server as far as one run needs it: MLflow's routes and error bodies (facts/mlflow.md §2, §3, §6), failing as it is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PREFIX = '/api/2.0/mlflow/'
FILES = '/api/2.0/mlflow-artifacts/artifacts/'


@dataclass
class Tracking:
    """What the server holds. `lost` counts answers that are dropped after the work was done, `busy` those that are 503 before it; `moved` are redirected."""

    experiments: dict[str, str] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    seen: list[tuple[str, str, str | None]] = field(default_factory=list)
    lost: dict[str, int] = field(default_factory=dict)
    busy: dict[str, int] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    root: str = 'mlflow-artifacts:'
    origin: str = ''

    def paths(self) -> list[str]:
        return [path.removeprefix(PREFIX) for _, path, _ in self.seen]


class _Answer(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


class Handler(BaseHTTPRequestHandler):
    """Speaks for one server."""

    tracking: Tracking
    protocol_version = 'HTTP/1.1'

    def handle_one(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        self.tracking.seen.append((self.command, parts.path, self.headers.get('Authorization')))
        name = parts.path.removeprefix(PREFIX)
        if self.tracking.busy.get(name, 0) > 0:
            self.tracking.busy[name] -= 1
            return self.answer(503, b'<html>busy</html>')
        if name in self.tracking.moved:
            return self.answer(307, b'', Location=f'{self.tracking.origin}/elsewhere')
        try:
            found = self.work(parts.path, {key: value[0] for key, value in parse_qs(parts.query).items()}, body)
        except _Answer as error:
            return self.answer(error.status, json.dumps({'error_code': error.code, 'message': 'no'}).encode())
        if self.tracking.lost.get(name, 0) > 0:
            self.tracking.lost[name] -= 1
            self.close_connection = True
            return self.connection.close()
        return self.answer(200, json.dumps(found).encode())

    do_GET = do_POST = do_PUT = handle_one

    def work(self, path: str, query: dict[str, str], body: bytes) -> dict[str, Any]:
        held = self.tracking
        if self.command == 'PUT' and path.startswith(FILES):
            held.files[unquote(path.removeprefix(FILES))] = body
            return {}
        name = f'{self.command} {path.removeprefix(PREFIX)}'
        given = json.loads(body) if body else {}
        if self.command == 'POST' and self.headers['Content-Type'] != 'application/json':
            raise _Answer(400, 'BAD_REQUEST')
        match name:
            case 'GET experiments/get-by-name':
                if query['experiment_name'] not in held.experiments:
                    raise _Answer(404, 'RESOURCE_DOES_NOT_EXIST')
                return {'experiment': {'experiment_id': held.experiments[query['experiment_name']]}}
            case 'POST experiments/create':
                if given['name'] in held.experiments:
                    raise _Answer(400, 'RESOURCE_ALREADY_EXISTS')
                held.experiments[given['name']] = str(len(held.experiments) + 1)
                return {'experiment_id': held.experiments[given['name']]}
            case 'POST runs/create':
                if not isinstance(given['experiment_id'], str):
                    raise _Answer(400, 'INVALID_PARAMETER_VALUE')
                run_id = f'run{len(held.runs)}'
                info = {'run_id': run_id, 'experiment_id': given['experiment_id'], 'status': 'RUNNING', 'artifact_uri': f'{held.root}/1/{run_id}/artifacts'}
                held.runs[run_id] = {'info': info, 'tags': {tag['key']: tag['value'] for tag in given['tags']}, 'metrics': {}, 'params': {}}
                return {'run': {'info': info}}
            case 'GET runs/get':
                return {'run': {'info': self.run(query['run_id'])['info']}}
            case 'POST runs/search':
                mark = given['filter'].split("'")[1]
                return {'runs': [{'info': run['info']} for run in held.runs.values() if mark in run['tags'].values()]}
            case 'POST runs/log-batch':
                run = self.run(given['run_id'])
                for kind in ('metrics', 'params', 'tags'):
                    run[kind] |= {item['key']: item['value'] for item in given[kind]}
                return {}
            case 'POST runs/update':
                self.run(given['run_id'])['info']['status'] = given['status']
                return {}
        raise _Answer(404, 'ENDPOINT_NOT_FOUND')

    def run(self, run_id: str) -> dict[str, Any]:
        if run_id not in self.tracking.runs:
            raise _Answer(404, 'RESOURCE_DOES_NOT_EXIST')
        return self.tracking.runs[run_id]

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header, value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def tracking_server() -> Iterator[Tracking]:
    """Runs on a free port."""
    held = Tracking()
    server = ThreadingHTTPServer(('127.0.0.1', 0), type('OneHandler', (Handler,), {'tracking': held}))
    held.origin = f'http://127.0.0.1:{server.server_address[1]}'
    threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True).start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
