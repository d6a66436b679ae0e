"""Which path means what: a pure function from a request to a response, for a loaded model.

Unknown paths are 404, known paths with another method 405, bad input 4xx with a message that says where.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from sluice_serve import VERSION
from sluice_serve.dialects.instances import answer_invocation, answer_rows
from sluice_serve.dialects.open_inference import infer, metadata
from sluice_serve.exchange import BadRequest, Request, Response, error_response, json_response
from sluice_serve.model import Model


@dataclass(frozen=True)
class Service:
    """The model that answers and the most rows that one request may bring."""

    model: Model
    maxRows: int


Handler = Callable[[Request, Service], Response]
_ALIVE = ('/ping', '/v2/health/live', '/v2/health/ready')


def answer(request: Request, service: Service) -> Response:
    """Never raises for what a caller sent."""
    try:
        return _route(request, service)(request, service)
    except BadRequest as error:
        return error_response(error.status, error.code, error.message, error.headers)


def is_health(path: str) -> bool:
    """Paths that a platform asks all the time; they are answered even when the server is full, and are not logged."""
    return path in _ALIVE


def _route(request: Request, service: Service) -> Handler:
    for pattern, method, handler in _ROUTES:
        match = pattern.fullmatch(request.path)
        if match is None:
            continue
        named = match.groupdict().get('model')
        if named is not None and named != service.model.name:
            raise BadRequest(f'there is no model {named[:80]!r} here, only {service.model.name!r}', 'not-found', 404)
        if request.method != method and not (method == 'GET' and request.method == 'HEAD'):
            raise BadRequest(f'{request.path} takes {method}, not {request.method}', 'method-not-allowed', 405, {'Allow': method})
        return handler
    raise BadRequest(f'there is nothing at {request.path[:200]}', 'not-found', 404)


def _healthy(request: Request, service: Service) -> Response:
    return json_response(200, {'status': 'ok', 'model': service.model.name, 'digest': service.model.digest})


def _live(request: Request, service: Service) -> Response:
    return json_response(200, {'live': True})


def _ready(request: Request, service: Service) -> Response:
    return json_response(200, {'ready': True})


def _server_metadata(request: Request, service: Service) -> Response:
    return json_response(200, {'name': 'sluice-serve', 'version': VERSION, 'extensions': []})


def _v1_list(request: Request, service: Service) -> Response:
    return json_response(200, {'models': [service.model.name]})


def _v1_ready(request: Request, service: Service) -> Response:
    return json_response(200, {'name': service.model.name, 'ready': True})


def _v1_predict(request: Request, service: Service) -> Response:
    return answer_rows(request, service.model, service.maxRows, 'instances')


def _v2_ready(request: Request, service: Service) -> Response:
    return json_response(200, {'name': service.model.name, 'ready': True})


def _v2_metadata(request: Request, service: Service) -> Response:
    return metadata(service.model)


def _v2_infer(request: Request, service: Service) -> Response:
    return infer(request, service.model, service.maxRows)


def _invocations(request: Request, service: Service) -> Response:
    return answer_invocation(request, service.model, service.maxRows)


def _score(request: Request, service: Service) -> Response:
    return answer_rows(request, service.model, service.maxRows, 'data')


_ROUTES: tuple[tuple[re.Pattern[str], str, Handler], ...] = tuple(
    (re.compile(pattern), method, handler)
    for pattern, method, handler in (
        (r'/ping', 'GET', _healthy),
        (r'/invocations', 'POST', _invocations),
        (r'/score', 'POST', _score),
        (r'/v1/models', 'GET', _v1_list),
        (r'/v1/models/(?P<model>[^/:]+)', 'GET', _v1_ready),
        (r'/v1/models/(?P<model>[^/:]+):predict', 'POST', _v1_predict),
        (r'/v2', 'GET', _server_metadata),
        (r'/v2/health/live', 'GET', _live),
        (r'/v2/health/ready', 'GET', _ready),
        (r'/v2/models/(?P<model>[^/]+)', 'GET', _v2_metadata),
        (r'/v2/models/(?P<model>[^/]+)/ready', 'GET', _v2_ready),
        (r'/v2/models/(?P<model>[^/]+)/infer', 'POST', _v2_infer),
    )
)
