"""How the server starts and ends: only the proved model is loaded, refusals name the mend, SIGTERM lets requests finish."""

import http.client
import json
import shutil
import socket
import time
from pathlib import Path

import pytest

from served import Trained, same, serving
from sluice_protocol import folder_digests, model_digest
from steps import Ended, run_step


def start(model: Path, digest: str, *args: str, **settings: str) -> Ended:
    extra = {'SLUICE_MODEL_DIR': str(model), 'SLUICE_MODEL_DIGEST': digest, 'SLUICE_HOST': '127.0.0.1', 'PORT': '0', **settings}
    return run_step('serve', *args, extra=extra)


@pytest.fixture
def copy(trained: Trained, tmp_path: Path) -> Path:
    shutil.copytree(trained.folder, tmp_path / 'model')
    return tmp_path / 'model'


def changed(model: Path, name: str, content: bytes | None) -> None:
    if content is None:
        (model / name).unlink()
    else:
        (model / name).write_bytes(content)


@pytest.mark.parametrize(('name', 'content'), [('model.json', b'{}'), ('weights.npz', None), ('extra.txt', b''), ('weights.npz', b'PK')])
def test_a_model_that_was_changed_is_not_loaded(copy: Path, trained: Trained, name: str, content: bytes | None) -> None:
    changed(copy, name, content)
    ended = start(copy, trained.digest)
    assert ended.code == 1
    assert 'model-digest' in ended.stderr
    assert trained.digest in ended.stderr
    assert 'Traceback' not in ended.stderr


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('model.json', b'{}'),
        ('model.json', b'not json'),
        ('model.json', b'[]'),
        ('weights.npz', b'PK'),
        ('weights.npz', b''),
        ('weights.npz', None),
        ('model.json', None),
    ],
)
def test_a_folder_that_is_no_model_is_refused_even_under_its_own_digest(copy: Path, name: str, content: bytes | None) -> None:
    changed(copy, name, content)
    ended = start(copy, model_digest(folder_digests(copy)))
    assert ended.code == 1
    assert 'model-format' in ended.stderr
    assert 'Traceback' not in ended.stderr


@pytest.mark.parametrize('edit', ['format', 'activation', 'classes', 'scaling', 'features'])
def test_descriptions_that_do_not_fit_the_weights_are_refused(copy: Path, edit: str) -> None:
    description = json.loads((copy / 'model.json').read_text())
    if edit == 'format':
        description['format'] = 'sluice-mlp/2'
    elif edit == 'activation':
        description['layers'][-1]['activation'] = 'relu'
    elif edit == 'classes':
        description['classes'].pop()
    elif edit == 'scaling':
        description['scaling']['maximum'] = description['scaling']['minimum']
    else:
        description['features'].pop()
    (copy / 'model.json').write_text(json.dumps(description))
    ended = start(copy, model_digest(folder_digests(copy)))
    assert (ended.code, 'model-format' in ended.stderr) == (1, True)


def test_a_link_in_the_model_folder_is_refused(copy: Path, trained: Trained) -> None:
    (copy / 'link').symlink_to('/etc/passwd')
    ended = start(copy, trained.digest)
    assert (ended.code, 'file-kind' in ended.stderr) == (1, True)


@pytest.mark.parametrize(
    ('settings', 'told'),
    [
        ({'SLUICE_MODEL_DIGEST': ''}, 'SLUICE_MODEL_DIGEST is not set'),
        ({'SLUICE_MODEL_DIGEST': 'abc'}, "SLUICE_MODEL_DIGEST is 'abc'"),
        ({'PORT': '70000'}, "PORT is '70000'"),
        ({'PORT': '', 'SAGEMAKER_BIND_TO_PORT': 'x'}, "SAGEMAKER_BIND_TO_PORT is 'x'"),
        ({'SLUICE_MODEL_NAME': '../x'}, 'SLUICE_MODEL_NAME'),
        ({'SLUICE_CPU_LIMIT': 'many'}, 'SLUICE_CPU_LIMIT'),
        ({'SLUICE_MODEL_DIR': '/nowhere/at/all'}, '/nowhere/at/all is not a folder'),
    ],
)
def test_bad_settings_are_told(copy: Path, trained: Trained, settings: dict[str, str], told: str) -> None:
    ended = start(copy, trained.digest, **settings)
    assert ended.code == 1
    assert told in ended.stderr
    assert 'Traceback' not in ended.stderr


def test_all_bad_settings_are_told_at_once(copy: Path) -> None:
    ended = start(copy, 'abc', PORT='x')
    assert 'SLUICE_MODEL_DIGEST' in ended.stderr and 'PORT' in ended.stderr


def test_a_port_that_is_taken_is_told(copy: Path, trained: Trained) -> None:
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        port = str(other.getsockname()[1])
        ended = start(copy, trained.digest, PORT=port)
    assert ended.code == 1
    assert 'port-unusable' in ended.stderr and port in ended.stderr


def test_sagemakers_own_port_variable_and_the_model_name_are_used(copy: Path, trained: Trained) -> None:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    with serving(copy, trained.digest, PORT='', SAGEMAKER_BIND_TO_PORT=str(port), SLUICE_MODEL_NAME='other') as server:
        assert server.port == port
        assert server.ask('GET', '/v1/models') == (200, {'models': ['other']})


def test_a_word_that_is_not_serve_is_a_wrong_call(copy: Path, trained: Trained) -> None:
    assert start(copy, trained.digest, 'train').code == 2


def test_sigterm_lets_a_request_that_has_begun_finish(copy: Path, trained: Trained) -> None:
    body = json.dumps({'instances': trained.golden['rows']}).encode()
    head = f'POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n'
    with serving(copy, trained.digest) as server:
        with socket.create_connection(('127.0.0.1', server.port), timeout=20) as client:
            client.sendall(head.encode() + body[:100])
            wait_until_reading(server.port)
            server.process.terminate()
            wait_until_closed(server.port)
            client.sendall(body[100:])
            found = b''
            while block := client.recv(65536):
                found += block
        code = server.process.wait(timeout=20)
    status, _, answer = found.partition(b'\r\n\r\n')
    predictions = json.loads(answer)['predictions']
    assert code == 0
    assert status.startswith(b'HTTP/1.1 200')
    assert b'Connection: close' in status
    assert same(trained.golden, [item['label'] for item in predictions], [item['probability'] for item in predictions])


def test_while_it_drains_it_is_not_ready_but_answers_open_connections(copy: Path, trained: Trained) -> None:
    with serving(copy, trained.digest) as server:
        slow = socket.create_connection(('127.0.0.1', server.port), timeout=20)
        probe, asker = (http.client.HTTPConnection('127.0.0.1', server.port, timeout=20) for _ in range(2))
        for kept in (probe, asker):
            kept.request('GET', '/ping')
            assert kept.getresponse().read()
        slow.sendall(b'POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n')
        wait_until_reading(server.port)
        server.process.terminate()
        wait_until_closed(server.port)
        probe.request('GET', '/v2/health/ready')
        asker.request('POST', '/invocations', json.dumps({'instances': trained.golden['rows'][:1]}), {'Content-Type': 'application/json'})
        ready, answer = probe.getresponse(), asker.getresponse()
        assert (ready.status, json.loads(ready.read())['code']) == (503, 'stopping')
        assert (answer.status, answer.headers['Connection']) == (200, 'close')
        slow.close()
        assert server.process.wait(timeout=20) == 0


def wait_until_reading(port: int) -> None:
    """Another connection is answered, so the first one has been accepted before it."""
    with socket.create_connection(('127.0.0.1', port), timeout=20) as probe:
        probe.sendall(b'GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        while probe.recv(65536):
            pass


def wait_until_closed(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(('127.0.0.1', port), timeout=5).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            pass  # it was closing at that very moment
        time.sleep(0.02)
    raise AssertionError('the server still accepts after SIGTERM')
