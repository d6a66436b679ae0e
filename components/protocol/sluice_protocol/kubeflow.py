"""What Kubeflow wants to know of a step beside its files: metadata of typed artifacts, in the executor's output file.

The step gets the placeholder `{{$}}` (ExecutorInput, JSON) as `--executor-input` and answers with ExecutorOutput (facts/kubeflow.md §2).
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sluice_protocol.errors import ComponentError

METRICS = 'system.Metrics'
CLASSIFICATION_METRICS = 'system.ClassificationMetrics'
DATASET = 'system.Dataset'
MODEL = 'system.Model'
_TYPES = frozenset({METRICS, CLASSIFICATION_METRICS, DATASET, MODEL, 'system.Artifact', 'system.HTML', 'system.Markdown'})

# Where the launcher mounts an artifact when the input names no path: the scheme becomes the first folder.
_MOUNTS = {'minio://': '/minio/', 's3://': '/s3/', 'gs://': '/gcs/'}


@dataclass(frozen=True)
class TypedOutput:
    """An output with its Kubeflow type; `path` is a file or folder in the out folder, `metadata` what Kubeflow's pages show."""

    type: str
    path: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.type not in _TYPES:
            raise ValueError(f'{self.type!r} is no artifact type of Kubeflow')


def write_executor_output(
    executor_input: Mapping[str, object], out: Path, outputs: Mapping[str, TypedOutput], metrics: Mapping[str, float]
) -> None:
    """Answers for every artifact that the input asks for and the step has; others are left alone.

    An artifact `metrics` needs no declaration: it gets the metrics of the run report. Fails with `executor-input`.
    """
    try:
        asked = executor_input['outputs']
        artifacts = asked.get('artifacts', {})  # type: ignore[attr-defined]  # what is no mapping is told below
        target = Path(asked['outputFile'])  # type: ignore[index]
        known = {'metrics': TypedOutput(METRICS, metadata=metrics), **outputs}
        answered = {
            name: {'artifacts': [_answer(name, artifact['artifacts'][0], known[name], out)]}
            for name, artifact in artifacts.items()
            if name in known
        }
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ComponentError('executor-input', f'--executor-input is not an ExecutorInput of Kubeflow: {type(error).__name__}: {error}') from error
    try:
        text = json.dumps({'artifacts': answered}, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise ComponentError('report-invalid', f'the metadata of an output cannot be written as JSON: {error}') from error
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f'.{target.name}.{os.getpid()}')
    temporary.write_text(text, encoding='utf-8')
    os.replace(temporary, target)


def _answer(name: str, artifact: Mapping[str, object], output: TypedOutput, out: Path) -> dict[str, object]:
    place = _place(artifact)
    if output.path is not None and place is not None and place.resolve() != out.resolve():
        source = out / output.path
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, place)
    return {'name': str(artifact.get('name') or name), 'uri': str(artifact.get('uri', '')), 'metadata': dict(output.metadata)}


def _place(artifact: Mapping[str, object]) -> Path | None:
    """The artifact's path on this machine, or None where it has none (metrics live in their metadata)."""
    custom = artifact.get('customPath') or artifact.get('custom_path')
    if isinstance(custom, str) and custom:
        return Path(custom)
    uri = artifact.get('uri')
    for scheme, folder in _MOUNTS.items():
        if isinstance(uri, str) and uri.startswith(scheme):
            return Path(folder + uri.removeprefix(scheme))
    return None
