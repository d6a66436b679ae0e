"""Runs a step and reports on it: the one place where an exception becomes a failed report and an exit code.

Exit 0 exactly when the report says `succeeded`; 1 for a failed step, 2 for a wrong command line.
"""

import json
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from sluice_protocol.arguments import StepArguments, find_option, parse_step_arguments
from sluice_protocol.errors import ComponentError
from sluice_protocol.failure import send_failure
from sluice_protocol.kubeflow import write_executor_output
from sluice_protocol.redact import redact_urls
from sluice_protocol.report import PROTOCOL, REPORT_NAME, Component, Outcome, metrics_json, outcome_json, write_report
from sluice_protocol.residence import place_of, refuse_undeclared, rows_stay, without_values

QUEUED_AT = 'SLUICE_QUEUED_AT'


def run_component(component: Component, work: Callable[[StepArguments], Outcome], argv: Sequence[str]) -> int:
    """Runs a step with the standard arguments and returns the process's exit code."""
    try:
        arguments = parse_step_arguments(component.name, argv)
    except ComponentError as error:
        out = find_option(argv, '--out')
        code = refuse_call(component, error, Path(out) if out else None)
        if out:
            send_failure(_json_or_none(find_option(argv, '--executor-input')), Path(out))
        return code

    def body() -> Outcome:
        outcome = work(arguments)
        if rows_stay(os.environ):
            refuse_undeclared(outcome.golden, arguments.inputs)
        if arguments.executorInput is not None:
            metrics = metrics_json(outcome.metrics, 'metric')
            write_executor_output(arguments.executorInput, arguments.out, outcome.outputs, metrics)
        return outcome

    code = run_reported(component, arguments.out, arguments.params, body)
    if code != 0:
        send_failure(arguments.executorInput, arguments.out)
    return code


def _json_or_none(text: str | None) -> object:
    try:
        return json.loads(text or 'null')
    except ValueError:
        return None


def run_reported(component: Component, out: Path | None, params: Mapping[str, object], body: Callable[[], Outcome]) -> int:
    """Runs `body` and leaves a run report in `out` (none where `out` is None); returns the exit code."""
    started = datetime.now(UTC)
    clock = time.monotonic()
    report: dict[str, object] = {'protocol': PROTOCOL, 'component': {'name': component.name, 'version': component.version}}
    try:
        with _termination_raises():
            _prepare(out)
            outcome = body()
            effective = outcome.params if outcome.params is not None else params
            report.update(status='succeeded', params=dict(effective), **outcome_json(outcome))
            _finish(out, report, outcome.packages, started, clock)
    except BaseException as error:  # noqa: BLE001 - every way out, SystemExit and Ctrl-C too, must leave a failed report
        failure = _describe(error)
        _say(f'{component.name} {component.version} failed: {failure.code}: {failure.message}')
        failed = _failed(component, failure, params)
        try:
            _finish(out, failed, {}, started, clock)
        except (OSError, ComponentError) as unwritable:
            _say(f'the failed report could not be written either: {unwritable}')
        return 1
    print(f'{component.name} {component.version}: succeeded in {time.monotonic() - clock:.1f} s', flush=True)
    return 0


def refuse_call(component: Component, error: ComponentError, out: Path | None) -> int:
    """Reports a wrong command line, in `out` too where that is known, and returns exit code 2."""
    _say(f'{component.name} {component.version} was called wrongly: {error.code}: {redact_urls(error.message)}')
    if out is not None:
        try:
            _prepare(out)
            _finish(out, _failed(component, _describe(error), {}), {}, datetime.now(UTC), time.monotonic())
        except (OSError, ComponentError) as unwritable:
            _say(f'the failed report could not be written either: {unwritable}')
    return 2


def _failed(component: Component, error: ComponentError, params: Mapping[str, object]) -> dict[str, object]:
    return {
        'protocol': PROTOCOL,
        'component': {'name': component.name, 'version': component.version},
        'status': 'failed',
        'error': {'code': error.code, 'message': error.message},
        'metrics': {},
        'slices': [],
        'params': dict(params),
        'artifacts': [],
        'accelerator': {'kind': 'none'},
    }


def _prepare(out: Path | None) -> None:
    """Makes the folder, and takes away the report of an earlier attempt so that it cannot be read as this one's."""
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / REPORT_NAME).unlink(missing_ok=True)
    except OSError as error:
        raise ComponentError('out-unusable', f'--out {out} cannot be written: {error.strerror}') from error


def _finish(out: Path | None, report: dict[str, object], packages: Mapping[str, str], started: datetime, clock: float) -> None:
    times: dict[str, object] = {
        'startedAt': _instant(started),
        'finishedAt': _instant(datetime.now(UTC)),
        'executionSeconds': round(time.monotonic() - clock, 3),
    }
    queued = _queued_seconds(os.environ.get(QUEUED_AT), started)
    if queued is not None:
        times['queuedSeconds'] = queued
    report |= {'packages': {'python': platform.python_version(), **packages}, 'times': times}
    if out is not None:
        write_report(out, report)


def _queued_seconds(queued_at: str | None, started: datetime) -> float | None:
    if not queued_at:
        return None
    try:
        submitted = datetime.fromisoformat(queued_at)
    except ValueError:
        _say(f'{QUEUED_AT} is {queued_at!r}, not an ISO 8601 instant; the report leaves queuedSeconds out')
        return None
    if submitted.tzinfo is None:
        submitted = submitted.replace(tzinfo=UTC)
    return max(0.0, round((started - submitted).total_seconds(), 3))


def _instant(at: datetime) -> str:
    return at.isoformat(timespec='milliseconds').replace('+00:00', 'Z')


def _describe(error: BaseException) -> ComponentError:
    stay = rows_stay(os.environ)
    if isinstance(error, ComponentError):
        told = ComponentError(error.code, redact_urls(error.message))
        return without_values(told) if stay else told
    if isinstance(error, ModuleNotFoundError):
        return ComponentError(
            'package-missing', f'{sys.executable} has no module {error.name!r}; install what the requirements.txt of the component names'
        )
    if stay:
        return ComponentError('unexpected', f'{place_of(error)}; its own words are held back, because rows must not leave')
    _say(''.join(traceback.format_exception(error)).rstrip())
    return ComponentError('unexpected', redact_urls(f'{type(error).__name__}: {error}'))


def _say(text: str) -> None:
    print(redact_urls(text), file=sys.stderr, flush=True)


@contextmanager
def _termination_raises() -> Iterator[None]:
    """While a step works, SIGTERM (a cancelled job) ends it as a failure that is reported, not as a silent death."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise ComponentError('terminated', 'the step was told to stop (SIGTERM) before it was done')

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
