"""One step from one JSON argument. Output folders are local while the step works and copied to the volume when it has ended:

volumes take whole files in order, not every kind of write. Exports are copied last, the run report after everything else, each under a
temporary name that is then replaced, so that a reader never sees half a file.
"""

import json
import os
import runpy
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

REPORT = 'run-report.json'


def main() -> None:
    """Entry point of the wheel: the argument is the payload. Raises where the step failed, because clusters judge by exceptions."""
    code = launch(json.loads(sys.argv[1]))
    if code != 0:
        raise RuntimeError(f'the step ended with code {code}; its run report and the lines above say why')


def launch(payload: Mapping[str, object]) -> int:
    """Runs `payload['module']` and returns its exit code. Outputs and optional exports are kept for failed steps too."""
    outputs = _texts(payload, 'outputs')
    os.environ.update(_texts(payload, 'environment'))
    _track_elsewhere(payload.get('experiment'))
    with tempfile.TemporaryDirectory(prefix='sluice-step-') as scratch:
        local = {key: Path(scratch) / key for key in outputs}
        arguments = [_argument(argument, local) for argument in _list(payload, 'args')]
        code = _run(str(payload['module']), arguments)
        for key, target in outputs.items():
            if local[key].is_dir():
                _copy_folder(local[key], Path(target))
            elif local[key].is_file():
                _copy_file(local[key], Path(target))
        exports = sorted(_list(payload, 'exports'), key=lambda export: export['file'] == REPORT)
        for export in exports:
            source = local[export['output']] / export['file']
            if source.is_file() and (code == 0 or export['optional']):
                _copy_file(source, Path(export['to']))
            elif code == 0 and not export['optional']:
                print(f'{export["file"]} was to be exported, and the step did not leave it', file=sys.stderr)
                return 1
    return code


def _track_elsewhere(experiment: object) -> None:
    """Where runs are tracked at another server than the cluster's own, they are tracked there alone: runs, models, and the experiment by its
    plain name. The cluster's own MLflow takes only paths as names, and linked workspaces do not work behind private endpoints.
    """
    server = os.environ.get('MLFLOW_TRACKING_URI', '')
    if server == '' or server.startswith('databricks'):
        return
    os.environ.setdefault('MLFLOW_REGISTRY_URI', server)
    if isinstance(experiment, str) and experiment != '' and 'MLFLOW_EXPERIMENT_ID' not in os.environ:
        os.environ.setdefault('MLFLOW_EXPERIMENT_NAME', experiment.rpartition('/')[2] or experiment)


def _run(module: str, arguments: Sequence[str]) -> int:
    before = sys.argv
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name='__main__', alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = before
    return 0


def _argument(argument: str | Mapping[str, str], local: Mapping[str, Path]) -> str:
    return argument if isinstance(argument, str) else argument.get('prefix', '') + str(local[argument['output']])


def _copy_folder(source: Path, target: Path) -> None:
    for path in sorted(source.rglob('*')):
        if path.is_file() and not path.is_symlink():
            _copy_file(path, target / path.relative_to(source))


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f'{target.name}.part')
    shutil.copyfile(source, temporary)
    temporary.replace(target)


def _texts(payload: Mapping[str, object], key: str) -> dict[str, str]:
    value = payload.get(key, {})
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError(f'the payload\'s {key} is not an object of text')
    return value


def _list(payload: Mapping[str, object], key: str) -> list:
    value = payload.get(key, [])
    if not isinstance(value, list):
        raise ValueError(f'the payload\'s {key} is not a list')
    return value
