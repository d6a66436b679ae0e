"""MLflow's tracking REST interface, as far as one finished run needs it (facts/mlflow.md §1 to §3). Standard library only.

Calls are repeated on 408, 429, 5xx and broken connections. Creating a run is not repeatable, so it carries a tag and is looked for first.
"""

import base64
import http.client
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import IO, Any

ATTEMPTS = 4
ARM_SCOPE = 'https://management.azure.com/.default'
TIMEOUT_SECONDS = 30
MAX_ANSWER = 8 * 1024 * 1024
MARK = 'sluice.step'
"""Tag that names this very attempt to create a run."""
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


class RestFailure(Exception):
    """The server said no, or could not be reached; `status` is the answer's, `said` MLflow's own code, where there was an answer."""

    def __init__(self, message: str, status: int | None = None, said: str = '') -> None:
        super().__init__(message)
        self.status = status
        self.said = said


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token must not follow a redirect to another host."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


class RestTracker:
    """One tracking server. `pause` is seconds before the second attempt; it doubles."""

    def __init__(self, uri: str, environment: Mapping[str, str], pause: float = 0.5) -> None:
        self.base = _address(uri)
        self.environment = environment
        self.pause = pause
        self.bearer: str | None = None
        self.withoutArtifacts: str | None = None
        context = ssl.create_default_context(cafile=environment.get('MLFLOW_TRACKING_SERVER_CERT_PATH') or None)
        self.opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=context))

    def log_run(
        self, params: Mapping[str, str], metrics: Mapping[str, float], tags: Mapping[str, str], files: Mapping[str, Path], now: int
    ) -> str:
        """Creates (or, with MLFLOW_RUN_ID, takes) a run, logs everything, ends it; returns its id. `now` is epoch milliseconds."""
        given = self.environment.get('MLFLOW_RUN_ID', '')
        info = self._taken(given) if given else self._created(tags, now)
        run_id = str(info['run_id'])
        try:
            self._call(
                'POST',
                'runs/log-batch',
                {
                    'run_id': run_id,
                    'metrics': [{'key': key, 'value': value, 'timestamp': now, 'step': 0} for key, value in metrics.items()],
                    'params': [{'key': key, 'value': value} for key, value in params.items()],
                    'tags': [{'key': key, 'value': value} for key, value in tags.items()],
                },
            )
            self._upload(str(info.get('artifact_uri', '')), run_id, files)
        except RestFailure:
            self._end(run_id, 'FAILED', now)
            raise
        self._end(run_id, 'FINISHED', now)
        return run_id

    def _taken(self, run_id: str) -> Mapping[str, Any]:
        answer = self._call('GET', f'runs/get?run_id={urllib.parse.quote(run_id)}')
        self._call('POST', 'runs/update', {'run_id': run_id, 'status': 'RUNNING'})
        return self._info(answer)

    def _created(self, tags: Mapping[str, str], now: int) -> Mapping[str, Any]:
        experiment = self._experiment()
        mark = uuid.uuid4().hex
        body = {
            'experiment_id': experiment,
            'run_name': 'ridge-train',
            'start_time': now,
            'tags': [{'key': key, 'value': value} for key, value in {**tags, MARK: mark}.items()],
        }
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._info(self._once('POST', 'runs/create', body))
            except RestFailure as error:
                if not _may_pass(error) or attempt == ATTEMPTS:
                    raise
                time.sleep(self.pause * 2 ** (attempt - 1))
                # The answer was lost, perhaps not the run.
                query = {'experiment_ids': [experiment], 'filter': f"tags.`{MARK}` = '{mark}'", 'max_results': 1}
                if found := self._call('POST', 'runs/search', query).get('runs'):
                    return self._info({'run': found[0]})
        raise AssertionError('there is at least one attempt')

    def _experiment(self) -> str:
        """By id, else by name, made where it is not there yet; `Default` without either, as MLflow itself does."""
        if identity := self.environment.get('MLFLOW_EXPERIMENT_ID'):
            return identity
        name = self.environment.get('MLFLOW_EXPERIMENT_NAME') or 'Default'
        found = self._by_name(name)
        if found is not None:
            return found
        try:
            return str(self._call('POST', 'experiments/create', {'name': name})['experiment_id'])
        except RestFailure as error:
            # Somebody else made it meanwhile, or the answer to our own first attempt was lost.
            found = self._by_name(name) if error.said == 'RESOURCE_ALREADY_EXISTS' else None
            if found is None:
                raise
            return found

    def _by_name(self, name: str) -> str | None:
        try:
            answer = self._call('GET', f'experiments/get-by-name?experiment_name={urllib.parse.quote(name, safe="")}')
            return str(answer['experiment']['experiment_id'])
        except RestFailure as error:
            if error.said == 'RESOURCE_DOES_NOT_EXIST':
                return None
            raise

    def _upload(self, root: str, run_id: str, files: Mapping[str, Path]) -> None:
        """Through the server's proxy, or Azure ML's artifact service; any other root is written by clients that hold its keys."""
        parts = urllib.parse.urlsplit(root)
        if parts.scheme == 'azureml':
            self._upload_to_azure(run_id, files)
            return
        if parts.scheme != 'mlflow-artifacts':
            self.withoutArtifacts = f'files were not logged: the artifact root {parts.scheme or "(none)"}: takes them from clients with its keys only'
            return
        for name, path in files.items():
            place = urllib.parse.quote(f'{parts.path.strip("/")}/{name}')
            self._retrying('PUT', f'/api/2.0/mlflow-artifacts/artifacts/{place}', path.read_bytes(), 'application/octet-stream')

    def _upload_to_azure(self, run_id: str, files: Mapping[str, Path]) -> None:
        """An address with a signature for each file, then the file itself (facts/mlflow.md §9): uploads go past MLflow there."""
        service = self.base.replace('/mlflow/v2.0/', '/artifact/v2.0/', 1)
        path = f'/artifacts/ExperimentRun/{urllib.parse.quote(f"dcid.{run_id}", safe="")}/batch/metadata'
        body = _json({'paths': [{'path': name} for name in files]})
        answer = self._retrying('POST', path, body, 'application/json', base=service)
        places = answer.get('artifactContentInformation')
        for name, file in files.items():
            place = places.get(name) if isinstance(places, dict) else None
            uri = place.get('contentUri') if isinstance(place, dict) else None
            if not isinstance(uri, str):
                raise RestFailure(f'the artifact service gave no address for {name}')
            self._put_blob(uri, file.read_bytes(), name)

    def _put_blob(self, uri: str, content: bytes, name: str) -> None:
        request = urllib.request.Request(uri, data=content, method='PUT', headers={'x-ms-blob-type': 'BlockBlob'})
        try:
            with self.opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                answer.read(MAX_ANSWER)
        except urllib.error.HTTPError as error:
            raise RestFailure(f'storage refused {name} with {error.code}', error.code) from error
        except (OSError, http.client.HTTPException) as error:
            raise RestFailure(f'storage did not take {name}: {type(error).__name__}') from error

    def _end(self, run_id: str, status: str, now: int) -> None:
        try:
            self._call('POST', 'runs/update', {'run_id': run_id, 'status': status, 'end_time': now})
        except RestFailure:
            # After a failure this is a courtesy, and the first failure is the one to tell.
            if status == 'FINISHED':
                raise

    def _info(self, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        info = answer['run']['info'] if isinstance(answer.get('run'), dict) else {}
        if not isinstance(info, dict) or not isinstance(info.get('run_id'), str):
            raise RestFailure('the server answered without a run')
        return info

    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        return self._retrying(method, f'/api/2.0/mlflow/{path}', _json(body), 'application/json')

    def _once(self, method: str, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        return self._send(method, f'/api/2.0/mlflow/{path}', _json(body), 'application/json')

    def _retrying(self, method: str, path: str, body: bytes | None, kind: str, base: str | None = None) -> dict[str, Any]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._send(method, path, body, kind, base)
            except RestFailure as error:
                if not _may_pass(error) or attempt == ATTEMPTS:
                    raise
                time.sleep(self.pause * 2 ** (attempt - 1))
        raise AssertionError('there is at least one attempt')

    def _send(self, method: str, path: str, body: bytes | None, kind: str, base: str | None = None) -> dict[str, Any]:
        address = (base or self.base) + path
        request = urllib.request.Request(address, data=body, method=method, headers={'Content-Type': kind, **self._authorization()})
        what = f'{method} {path.partition("?")[0]}'
        try:
            with self.opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                text = answer.read(MAX_ANSWER)
        except urllib.error.HTTPError as error:
            code, message = _said(error.read(64 * 1024))
            raise RestFailure(f'{what} was answered {error.code} {code} {message}'.rstrip(), error.code, code) from error
        except (OSError, http.client.HTTPException) as error:
            raise RestFailure(f'{what} failed: {type(error).__name__}: {error}') from error
        if not text.strip():
            return {}
        try:
            found = json.loads(text)
        except ValueError as error:
            raise RestFailure(f'{what}: the answer is not JSON') from error
        return found if isinstance(found, dict) else {}

    def _service_principal(self) -> str | None:
        """A token for ARM by the variables of azure-identity, asked for once; None without them."""
        names = ('AZURE_TENANT_ID', 'AZURE_CLIENT_ID', 'AZURE_CLIENT_SECRET')
        tenant, client, secret = (self.environment.get(name, '') for name in names)
        if self.bearer is not None or not (tenant and client and secret):
            return self.bearer
        authority = self.environment.get('AZURE_AUTHORITY_HOST') or 'https://login.microsoftonline.com'
        form = {'grant_type': 'client_credentials', 'client_id': client, 'client_secret': secret, 'scope': ARM_SCOPE}
        request = urllib.request.Request(
            f'{authority.rstrip("/")}/{urllib.parse.quote(tenant)}/oauth2/v2.0/token', data=urllib.parse.urlencode(form).encode(), method='POST'
        )
        try:
            with self.opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                self.bearer = str(json.loads(answer.read(MAX_ANSWER))['access_token'])
        except urllib.error.HTTPError as error:
            raise RestFailure(f'the identity platform refused the service principal with {error.code}', error.code) from error
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            raise RestFailure(f'the identity platform gave no token: {type(error).__name__}') from error
        return self.bearer

    def _authorization(self) -> dict[str, str]:
        token = self.environment.get('MLFLOW_TRACKING_TOKEN') or self._service_principal()
        if token:
            return {'Authorization': f'Bearer {token}'}
        user, password = self.environment.get('MLFLOW_TRACKING_USERNAME'), self.environment.get('MLFLOW_TRACKING_PASSWORD')
        if user and password:
            return {'Authorization': 'Basic ' + base64.b64encode(f'{user}:{password}'.encode()).decode()}
        return {}


def _address(uri: str) -> str:
    """`azureml://host/mlflow/v1.0/…` as its plugin calls it: https, and v2.0 whatever the URI says (facts/mlflow.md §9); http for this machine."""
    parts = urllib.parse.urlsplit(uri)
    if parts.scheme != 'azureml':
        return uri.rstrip('/')
    scheme = 'http' if parts.hostname in {'127.0.0.1', 'localhost', '::1'} else 'https'
    return f'{scheme}://{parts.netloc}{parts.path.replace("/mlflow/v1.0/", "/mlflow/v2.0/", 1)}'.rstrip('/')


def _json(body: Mapping[str, object] | None) -> bytes | None:
    return None if body is None else json.dumps(body, allow_nan=False).encode()


def _may_pass(error: RestFailure) -> bool:
    return error.status is None or error.status in _PASSING


def _said(body: bytes) -> tuple[str, str]:
    """MLflow's error code and message; a proxy's HTML gives neither."""
    try:
        found = json.loads(body)
    except ValueError:
        return '', ''
    if not isinstance(found, dict):
        return '', ''
    return str(found.get('error_code', ''))[:80], str(found.get('message', ''))[:300]
