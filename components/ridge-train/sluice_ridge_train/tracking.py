"""Tells an MLflow tracking server: by the mlflow package where it is installed, else by its REST interface, else it records why not.

The environment is MLflow's own (facts/mlflow.md §8). A server that fails costs the run its entry there, never the trained model.
"""

import importlib
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sluice_protocol import redact_urls
from sluice_ridge_train.mlflow_rest import RestFailure, RestTracker


@dataclass(frozen=True)
class Tracked:
    """`status`: `logged` (by `how`), `absent` (nobody asked, or nothing here can), or `failed`."""

    status: str
    how: str | None = None
    runId: str | None = None
    reason: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        parts = {'status': self.status, 'how': self.how, 'runId': self.runId, 'reason': self.reason}
        return {name: value for name, value in parts.items() if value is not None}


def track(
    environment: Mapping[str, str],
    *,
    params: Mapping[str, str],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    picture: Path,
    model: Path,
) -> Tracked:
    """Logs one finished run with its metrics, the picture and the model folder."""
    uri = environment.get('MLFLOW_TRACKING_URI', '')
    if not uri:
        return Tracked('absent', reason='MLFLOW_TRACKING_URI is not set')
    try:
        mlflow = importlib.import_module('mlflow')
    except ImportError as error:
        missing = f'{type(error).__name__}: {error}'
    else:
        return _by_package(mlflow, params, metrics, tags, picture, model)
    if not uri.startswith(('http://', 'https://', 'azureml://')):
        scheme = uri.partition(':')[0]
        return Tracked('absent', reason=f'{scheme}: needs the package mlflow ({missing}); without it only http, https and azureml servers can be told')
    try:
        tracker = RestTracker(uri, environment)
        run_id = tracker.log_run(
            params, metrics, tags, {picture.name: picture, **{f'model/{path.name}': path for path in sorted(model.iterdir())}}, _now()
        )
    except RestFailure as error:
        return _failed('rest', error)
    return Tracked('logged', 'rest', run_id, reason=tracker.withoutArtifacts)


def _by_package(
    mlflow: object, params: Mapping[str, str], metrics: Mapping[str, float], tags: Mapping[str, str], picture: Path, model: Path
) -> Tracked:
    """`log_artifacts` and not `log_model`: a server without logged models refuses the latter (facts/mlflow.md §5), and it writes a pickle."""
    packages = {'mlflow': str(getattr(mlflow, '__version__', 'unknown'))}
    try:
        with mlflow.start_run() as run:  # type: ignore[attr-defined]  # the package brings its own names
            mlflow.log_params(dict(params))  # type: ignore[attr-defined]
            mlflow.set_tags(dict(tags))  # type: ignore[attr-defined]
            mlflow.log_metrics(dict(metrics))  # type: ignore[attr-defined]
            mlflow.log_artifact(str(picture))  # type: ignore[attr-defined]
            mlflow.log_artifacts(str(model), 'model')  # type: ignore[attr-defined]
            return Tracked('logged', 'mlflow', str(run.info.run_id), packages=packages)
    except Exception as error:  # noqa: BLE001 - the package raises what its plugins raise; the model is there all the same
        return _failed('mlflow', error, packages)


def _failed(how: str, error: Exception, packages: Mapping[str, str] | None = None) -> Tracked:
    reason = redact_urls(f'{type(error).__name__}: {error}')[:500]
    print(f'the tracking server was not told: {reason}', file=sys.stderr, flush=True)
    return Tracked('failed', how, reason=reason, packages=packages or {})


def _now() -> int:
    return int(time.time() * 1000)
