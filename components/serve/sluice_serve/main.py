"""Starts the server: settings, proof of the model, load, bind, answer; SIGTERM and SIGINT drain it.

Exit 0 after an orderly stop, 1 where it could not start (the reason is the last line), 2 for a wrong command line.
"""

import json
import logging
import sys
import threading
from collections.abc import Mapping, Sequence

from sluice_protocol import ComponentError
from sluice_serve import NAME, VERSION, stop_signals
from sluice_serve.load import load_model
from sluice_serve.model_folder import read_verified
from sluice_serve.routes import Service
from sluice_serve.server import ModelServer
from sluice_serve.settings import Settings, parse_settings

log = logging.getLogger('sluice_serve')


def main(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs until it is told to stop; the caller has held the stop signals back."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format='%(message)s')
    if list(argv) not in ([], ['serve']):
        log.error('usage: python -m sluice_serve [serve]; settings come from the environment')
        return 2
    try:
        settings = parse_settings(environment)
        server = start(settings)
    except ComponentError as error:
        log.error('%s %s cannot start: %s: %s', NAME, VERSION, error.code, error.message)
        return 1
    return _run(server, settings)


def start(settings: Settings) -> ModelServer:
    """A bound server with a proved and loaded model; nothing listens before the model is good."""
    files = read_verified(settings.modelDir, settings.modelDigest)
    model = load_model(files, settings.modelDigest, settings.modelName)
    try:
        return ModelServer((settings.host, settings.port), Service(model, settings.maxRows), settings.maxBodyBytes, settings.maxRequests)
    except OSError as error:
        raise ComponentError(
            'port-unusable',
            f'{settings.host}:{settings.port} cannot be listened on: {error.strerror}; free the port or set PORT to another',
        ) from error


def _run(server: ModelServer, settings: Settings) -> int:
    threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.1}, name='accept', daemon=True).start()
    host, port = server.server_address[:2]
    model = server.service.model
    ready = {'event': 'ready', 'host': str(host), 'port': port, 'model': model.name, 'digest': model.digest, 'version': VERSION}
    log.info(json.dumps(ready))
    stop_signals.wait()
    if server.drain(settings.drainSeconds):
        log.info(json.dumps({'event': 'stopped'}))
    else:
        log.warning(json.dumps({'event': 'stopped', 'unfinished': True}))
    return 0
