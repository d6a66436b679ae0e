"""serve as a process: every dialect gives the training side's own answers, and bad input gets a clear 4xx."""

import csv
import http.client
import io
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from served import Served, Trained, same, serving

NAME = 'ble-location'


@pytest.fixture(scope='module')
def server(trained: Trained) -> Iterator[Served]:
    with serving(trained.folder, trained.digest, SLUICE_MAX_BODY_BYTES='200000', SLUICE_MAX_ROWS='500') as running:
        yield running


@pytest.mark.parametrize(('path', 'key'), [('/invocations', 'instances'), (f'/v1/models/{NAME}:predict', 'instances'), ('/score', 'data')])
def test_json_dialects_repeat_the_golden_answers(server: Served, trained: Trained, path: str, key: str) -> None:
    status, answer = server.ask('POST', path, {key: trained.golden['rows']})

    assert status == 200
    assert same(trained.golden, [item['label'] for item in answer['predictions']], [item['probability'] for item in answer['predictions']])
    assert answer['model'] == {'name': NAME, 'digest': trained.digest}
    assert set(answer['predictions'][0]) == {'label', 'probability', 'top'}
    for found, expected in zip(answer['predictions'], trained.golden['predictions'], strict=True):
        assert [item['label'] for item in found['top']] == [item['label'] for item in expected['top']]


@pytest.mark.parametrize('datatype', ['FP64', 'FP32', 'INT32'])
@pytest.mark.parametrize('flat', [True, False])
def test_open_inference_repeats_the_golden_answers(server: Served, trained: Trained, datatype: str, flat: bool) -> None:
    rows = trained.golden['rows']
    data = [value for row in rows for value in row] if flat else rows
    tensor = {'name': 'x', 'shape': [len(rows), 13], 'datatype': datatype, 'data': data}

    status, answer = server.ask('POST', f'/v2/models/{NAME}/infer', {'id': '42', 'inputs': [tensor]})

    outputs = {item['name']: item for item in answer['outputs']}
    assert status == 200
    assert (answer['id'], answer['model_name'], answer['model_version']) == ('42', NAME, trained.digest)
    assert same(trained.golden, outputs['label']['data'], outputs['probability']['data'])
    assert list(outputs) == ['label', 'probability', 'top_labels', 'top_probabilities']
    assert outputs['top_labels']['shape'] == [len(rows), 5]
    assert outputs['top_labels']['data'][:5] == [item['label'] for item in trained.golden['predictions'][0]['top']]


def test_open_inference_gives_the_outputs_that_were_asked_for(server: Served, trained: Trained) -> None:
    tensor = {'name': 'x', 'shape': [2, 13], 'datatype': 'FP64', 'data': trained.golden['rows'][:2]}
    wanted = [{'name': 'probabilities'}, {'name': 'label'}]
    status, answer = server.ask('POST', f'/v2/models/{NAME}/infer', {'inputs': [tensor], 'outputs': wanted})
    assert status == 200
    assert [(item['name'], item['shape']) for item in answer['outputs']] == [('probabilities', [2, 12]), ('label', [2])]
    assert sum(answer['outputs'][0]['data'][:12]) == pytest.approx(1)


def test_csv_in_and_out(server: Served, trained: Trained) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator='\r\n').writerows(trained.golden['rows'])
    body = text.getvalue().encode()

    status, answer = server.ask('POST', '/invocations', body, Content_Type='text/csv; charset=utf-8', Accept='text/csv')
    json_status, as_json = server.ask('POST', '/invocations', body, Content_Type='text/csv')

    lines = [line.split(',') for line in answer.splitlines()]
    assert (status, json_status) == (200, 200)
    assert same(trained.golden, [label for label, _ in lines], [float(value) for _, value in lines])
    assert [item['label'] for item in as_json['predictions']] == [label for label, _ in lines]


def test_all_probabilities_only_on_request(server: Served, trained: Trained) -> None:
    row = trained.golden['rows'][:1]
    for path, body in (
        ('/invocations?probabilities=true', {'instances': row}),
        ('/invocations', {'instances': row, 'parameters': {'probabilities': True}}),
    ):
        status, answer = server.ask('POST', path, body)
        found = answer['predictions'][0]
        assert status == 200
        assert len(found['probabilities']) == 12
        assert sum(found['probabilities'].values()) == pytest.approx(1)
        assert max(found['probabilities'].values()) == found['probability'] == found['probabilities'][found['label']]


def test_health_and_metadata(server: Served, trained: Trained) -> None:
    assert server.ask('GET', '/ping') == (200, {'status': 'ok', 'model': NAME, 'digest': trained.digest})
    assert server.ask('GET', '/v2/health/live') == (200, {'live': True})
    assert server.ask('GET', '/v2/health/ready') == (200, {'ready': True})
    assert server.ask('GET', f'/v1/models/{NAME}') == (200, {'name': NAME, 'ready': True})
    assert server.ask('GET', '/v1/models') == (200, {'models': [NAME]})
    assert server.ask('GET', f'/v2/models/{NAME}/ready') == (200, {'name': NAME, 'ready': True})
    status, metadata = server.ask('GET', f'/v2/models/{NAME}')
    assert (status, metadata['versions']) == (200, [trained.digest])
    assert metadata['inputs'] == [{'name': 'input', 'datatype': 'FP64', 'shape': [-1, 13]}]
    status, body, headers = server.raw('HEAD', '/ping')
    assert (status, body) == (200, b'')


ROW = [-200] * 12
BAD_JSON: list[tuple[object, str]] = [
    (b'', 'not JSON'),
    (b'{"instances": [', 'not JSON'),
    (b'\xff\xfe', 'not UTF-8'),
    (b'[' * 100_000, 'not JSON'),
    (b'[[1]]', 'must be a JSON object'),
    ({}, 'no "instances"'),
    ({'rows': []}, 'no "instances"'),
    ({'instances': []}, 'not empty'),
    ({'instances': 7}, 'must be a list'),
    ({'instances': [7]}, 'instances[0] must be a list of 13 numbers'),
    ({'instances': [[*ROW, -70], ROW]}, 'instances[1] has 12 values; expected 13'),
    ({'instances': [[*ROW, -70, -70]]}, 'has 14 values'),
    ({'instances': [[*ROW, 'x']]}, 'instances[0][12] (b3013) is "x", not a number'),
    ({'instances': [[*ROW, None]]}, 'is null, not a number'),
    ({'instances': [[*ROW, True]]}, 'is true, not a number'),
    ({'instances': [[*ROW, [1]]]}, 'is [1], not a number'),
    ({'instances': [[*ROW, 1]]}, 'is 1; allowed is -200 to 0'),
    ({'instances': [[*ROW, -201]]}, 'is -201; allowed'),
    (b'{"instances": [[' + b'-200,' * 12 + b'NaN]]}', 'NaN'),
    (b'{"instances": [[' + b'-200,' * 12 + b'-Infinity]]}', '-Infinity'),
    (b'{"instances": [[' + b'-200,' * 12 + b'1e999]]}', 'is inf; allowed'),
    (b'{"instances": [[' + b'-200,' * 12 + b'-1' + b'0' * 400 + b']]}', 'allowed'),
    (b'{"instances": [[' + b'-200,' * 12 + b'-1' + b'0' * 5000 + b']]}', 'not JSON'),
    ({'instances': [[*ROW, -70]], '__proto__': {}}, 'unknown key'),
    ({'instances': [[*ROW, -70]], 'parameters': 'all'}, '"parameters"'),
    ({'instances': [[*ROW, -70]], 'parameters': {'probabilities': 'yes'}}, '"parameters"'),
]


@pytest.mark.parametrize(('body', 'told'), BAD_JSON)
def test_bad_bodies_are_400_and_say_where(server: Served, body: object, told: str) -> None:
    for path in ('/invocations', f'/v1/models/{NAME}:predict'):
        status, answer = server.ask('POST', path, body)
        assert status == 400
        assert answer['code'] == 'bad-input'
        assert told in answer['error']
    assert server.ask('GET', '/ping')[0] == 200


@pytest.mark.parametrize(
    ('body', 'told'),
    [
        (b'', 'not empty'),
        (b'1,2\n', 'rows[0] has 2 values'),
        (b'-200,' * 12 + b'abc\n', '"abc", not a number'),
        (b'-200,' * 12 + b'nan\n', '"nan", not a number'),
        (b'-200,' * 12 + b'1_0\n', '"1_0", not a number'),
        (b'-200,' * 12 + b'"\n', 'not CSV'),
        (b'\xff', 'not UTF-8'),
    ],
)
def test_bad_csv_is_400(server: Served, body: bytes, told: str) -> None:
    status, answer = server.ask('POST', '/invocations', body, Content_Type='text/csv')
    assert status == 400
    assert told in answer['error']


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        ({'inputs': []}, 'exactly one tensor'),
        ({'inputs': [{'shape': [1, 13]}]}, 'datatype'),
        ({'shape': [13]}, 'shape must be'),
        ({'shape': [1, True]}, 'shape must be'),
        ({'shape': [1, 12]}, 'takes 13 features'),
        ({'shape': [2, 13]}, '× 13'),
        ({'shape': [-1, 13]}, 'shape must be'),
        ({'datatype': 'BYTES'}, 'numeric type'),
        ({'data': 'AAAA'}, 'must be a list'),
        ({'outputs': [{'name': 'logits'}]}, "'logits' is unknown"),
        ({'id': 7}, '"id"'),
    ],
)
def test_bad_tensors_are_400(server: Served, change: dict[str, Any], told: str) -> None:
    tensor = {'name': 'x', 'shape': [1, 13], 'datatype': 'FP32', 'data': [*ROW, -70]}
    top = {key: change[key] for key in ('inputs', 'outputs', 'id') if key in change}
    tensor |= {key: value for key, value in change.items() if key not in top}
    status, answer = server.ask('POST', f'/v2/models/{NAME}/infer', {'inputs': [tensor], **top})
    assert status == 400
    assert told in answer['error']


def test_too_many_rows_and_too_large_bodies_are_413(server: Served) -> None:
    status, answer = server.ask('POST', '/invocations', {'instances': [[*ROW, -70]] * 501})
    assert (status, answer['code']) == (413, 'too-many-rows')
    for size in (200_001, 20_000_000):
        status, answer = server.ask('POST', '/invocations', b' ' * size)
        assert (status, answer['code']) == (413, 'body-too-large')


def test_other_types_paths_methods_and_models(server: Served) -> None:
    assert server.ask('POST', '/invocations', b'x', Content_Type='application/x-npy')[0] == 415
    assert server.ask('GET', '/nothing')[0] == 404
    assert server.ask('POST', '/v1/models/other:predict', {'instances': []})[0] == 404
    assert server.ask('GET', '/v2/models/..%2f..%2fetc')[0] == 404
    assert server.ask('GET', '/%ff')[0] == 400
    assert server.ask('POST', '/ping', b'')[0] == 405
    status, _, headers = server.raw('GET', '/invocations')
    assert (status, headers['allow']) == (405, 'POST')


def raw_exchange(server: Served, sent: bytes) -> bytes:
    with socket.create_connection(('127.0.0.1', server.port), timeout=20) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        found = b''
        while block := client.recv(65536):
            found += block
        return found


@pytest.mark.parametrize(
    ('sent', 'status'),
    [
        (b'POST /invocations HTTP/1.1\r\nHost: x\r\n\r\n', b'411'),
        (b'POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', b'411'),
        (b'POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n', b'400'),
        (b'POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}', b'400'),
        (b'GET /ping HTTP/9.9\r\n\r\n', b'505'),
        (b'BREW /ping HTTP/1.1\r\nHost: x\r\n\r\n', b'501'),
        (b'GET /' + b'a' * 70_000 + b' HTTP/1.1\r\n\r\n', b'414'),
        (b'\x16\x03\x01 nonsense\r\n\r\n', b'400'),
    ],
)
def test_broken_http_is_refused_and_the_server_lives(server: Served, sent: bytes, status: bytes) -> None:
    answer = raw_exchange(server, sent)
    assert answer.startswith(b'HTTP/1.1 ' + status)
    assert b'"error"' in answer
    assert server.ask('GET', '/ping')[0] == 200


def test_many_at_once_get_the_same_answers_over_kept_connections(server: Served, trained: Trained) -> None:
    def client(number: int) -> list[tuple[str, float]]:
        connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=20)
        found = []
        for index in range(20):
            row = trained.golden['rows'][(number + index) % len(trained.golden['rows'])]
            connection.request('POST', '/invocations', json.dumps({'instances': [row]}), {'Content-Type': 'application/json'})
            answer = json.loads(connection.getresponse().read())['predictions'][0]
            found.append((answer['label'], answer['probability']))
        connection.close()
        return found

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(client, range(8)))

    expected = trained.golden['predictions']
    for number, found in enumerate(answers):
        for index, (label, probability) in enumerate(found):
            wanted = expected[(number + index) % len(expected)]
            assert label == wanted['label']
            assert probability == pytest.approx(wanted['probability'], abs=1e-9)


def test_queries_are_not_logged(trained: Trained) -> None:
    with serving(trained.folder, trained.digest) as server:
        server.ask('POST', '/invocations?token=TOP-SECRET', {'instances': []})
        server.process.terminate()
        server.process.wait(timeout=20)
        log = ''.join(server.log)
    assert '/invocations' in log
    assert 'TOP-SECRET' not in log
