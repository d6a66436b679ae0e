"""Request and response as the routes see them, and the error that becomes a 4xx answer.

No socket in here: routes are functions from one to the other.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """`path` is decoded and has no query; header names are lower-case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b''

    def media_type(self) -> str:
        """The content type without parameters; JSON where none is stated."""
        return self.headers.get('content-type', 'application/json').split(';')[0].strip().lower()


@dataclass(frozen=True)
class Response:
    """A complete answer."""

    status: int
    body: bytes
    contentType: str = 'application/json'
    headers: Mapping[str, str] = field(default_factory=dict)


class BadRequest(Exception):
    """The caller's mistake: `status` 4xx, a kebab-case code, and what is wrong where."""

    def __init__(self, message: str, code: str = 'bad-input', status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.headers = headers or {}


def json_response(status: int, value: object, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; NaN cannot get out."""
    return Response(status, json.dumps(value, allow_nan=False, ensure_ascii=False).encode(), headers=headers or {})


def error_response(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """`error` is text because KServe's clients read it so; `code` is for programs."""
    return json_response(status, {'error': message, 'code': code}, headers)
