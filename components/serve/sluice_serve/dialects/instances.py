"""SageMaker, KServe v1 and Azure ML: a list of rows under one key, a list of predictions back; CSV for SageMaker too.

Contracts: facts/sagemaker.md §1.2, facts/kubeflow.md §6 (`instances`); Azure ML leaves the body to the scoring code (`data`).
"""

import csv
import io

from sluice_serve.exchange import BadRequest, Request, Response, json_response
from sluice_serve.model import Model
from sluice_serve.predictions import Answers, predict
from sluice_serve.rows import check_rows, from_text, parse_json

CSV = 'text/csv'
JSON = 'application/json'
# The second is what `curl -d` says unless it is told otherwise.
_AS_JSON = frozenset({JSON, 'application/x-www-form-urlencoded'})


def answer_rows(request: Request, model: Model, limit: int, key: str) -> Response:
    """`{key: [[…], …], parameters?: {probabilities: true}}` → `{predictions: […], model: {name, digest}}`."""
    if request.media_type() not in _AS_JSON:
        raise _unsupported(request, JSON)
    return _json_answer(model, _from_json(request, model, limit, key))


def answer_invocation(request: Request, model: Model, limit: int) -> Response:
    """SageMaker's `/invocations`: JSON as above or CSV rows without a header; `Accept: text/csv` gives `label,probability` lines or numbers."""
    if request.media_type() == CSV:
        rows = check_rows(_csv_rows(request.body), model, limit, 'rows')
        answers = predict(model, rows, full=wants_full(request, None))
    elif request.media_type() in _AS_JSON:
        answers = _from_json(request, model, limit, 'instances')
    else:
        raise _unsupported(request, f'{JSON} or {CSV}')
    if request.headers.get('accept', '').split(';')[0].strip().lower() == CSV:
        return Response(200, answers.to_csv().encode(), contentType=CSV)
    return _json_answer(model, answers)


def wants_full(request: Request, parameters: object) -> bool:
    """Whether all probabilities were asked for: `?probabilities=true`, or `parameters.probabilities` in the body."""
    asked = request.query.get('probabilities', 'false')
    if asked not in ('true', 'false'):
        raise BadRequest(f'probabilities={asked[:20]!r} in the query; expected true or false')
    if parameters is None:
        return asked == 'true'
    if not isinstance(parameters, dict) or not isinstance(parameters.get('probabilities', False), bool):
        raise BadRequest('"parameters" must be an object; its "probabilities" is true or false')
    return asked == 'true' or bool(parameters.get('probabilities', False))


def _from_json(request: Request, model: Model, limit: int, key: str) -> Answers:
    document = parse_json(request.body)
    if key not in document:
        raise BadRequest(f'the body has no "{key}"; expected {{"{key}": [[{len(model.features)} values], …]}}')
    if unknown := sorted(set(document) - {key, 'parameters'}):
        raise BadRequest(f'unknown key {unknown[0][:80]!r}; expected "{key}" and optionally "parameters"')
    rows = check_rows(document[key], model, limit, key)
    return predict(model, rows, full=wants_full(request, document.get('parameters')))


def _json_answer(model: Model, answers: Answers) -> Response:
    return json_response(200, {'predictions': answers.to_json(model), 'model': {'name': model.name, 'digest': model.digest}})


def _csv_rows(body: bytes) -> list[list[object]]:
    try:
        lines = [line for line in csv.reader(io.StringIO(body.decode('utf-8'), newline=''), strict=True) if line]
    except UnicodeDecodeError as error:
        raise BadRequest(f'the body is not UTF-8 (byte {error.start})') from error
    except csv.Error as error:
        raise BadRequest(f'the body is not CSV: {error}') from error
    return [[from_text(text) for text in line] for line in lines]


def _unsupported(request: Request, expected: str) -> BadRequest:
    return BadRequest(f'content type {request.media_type()[:80]!r} is not understood; send {expected}', 'unsupported-type', 415)
