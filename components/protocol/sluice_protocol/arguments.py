"""The arguments that every step takes: `--input NAME=PATH` (repeatable), `--params FILE` or `--params-json TEXT`, `--out DIR`.

`--params-json` is for Kubeflow, where a parameter is text in the command and there is no file to point at; so is `--executor-input`.
"""

import argparse
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from sluice_protocol.errors import ComponentError

MAX_PARAMS_BYTES = 1024 * 1024
_INPUT = re.compile(r'(?P<name>[a-z][a-z0-9-]{0,39})=(?P<path>.+)', re.DOTALL)


@dataclass(frozen=True)
class StepArguments:
    """What a step was told: existing input paths by name, parameters (a JSON object), and the folder it writes to.

    `executorInput` is Kubeflow's description of the step, where Kubeflow runs it.
    """

    inputs: Mapping[str, Path]
    params: Mapping[str, object]
    out: Path
    executorInput: Mapping[str, object] | None = None

    def input(self, name: str) -> Path:
        """The path of one input; fails with the names that were given."""
        path = self.inputs.get(name)
        if path is None:
            given = ', '.join(sorted(self.inputs)) or 'none'
            raise ComponentError('input-missing', f'input {name!r} was not given (given: {given}); add --input {name}=PATH')
        return path


class UsageParser(argparse.ArgumentParser):
    """An argparse parser that raises instead of leaving the process, so that a wrong call leaves a report too."""

    def error(self, message: str) -> NoReturn:
        raise ComponentError('usage', f'{message}; {self.format_usage().strip()}')


def parse_json_object(text: str, what: str) -> dict[str, object]:
    """A JSON object without NaN, Infinity or repeated keys; `what` names it in errors."""

    def refuse_constant(name: str) -> object:
        raise ComponentError('json', f'{what} holds {name}, which JSON does not have')

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in pairs:
            if key in found:
                raise ComponentError('json', f'{what} has the key {key!r} twice')
            found[key] = value
        return found

    def finite_float(digits: str) -> float:
        number = float(digits)
        if math.isinf(number):
            raise ComponentError('json', f'{what} holds {digits}, which is too large for a number')
        return number

    try:
        value = json.loads(text, parse_constant=refuse_constant, parse_float=finite_float, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise ComponentError('json', f'{what} is not JSON: {error}') from error
    if not isinstance(value, dict):
        raise ComponentError('json', f'{what} must be a JSON object, found {type(value).__name__}')
    return value


def read_text(path: Path, what: str, limit: int = MAX_PARAMS_BYTES) -> str:
    """UTF-8 text of a small file."""
    try:
        with path.open('rb') as file:
            raw = file.read(limit + 1)
    except OSError as error:
        raise ComponentError('file-unreadable', f'{what} {path} cannot be read: {error.strerror}') from error
    if len(raw) > limit:
        raise ComponentError('file-too-large', f'{what} {path} is larger than {limit} bytes')
    try:
        return raw.decode('utf-8')
    except UnicodeDecodeError as error:
        raise ComponentError('file-encoding', f'{what} {path} is not UTF-8 (byte {error.start})') from error


def parse_inputs(values: Sequence[str]) -> dict[str, Path]:
    """`NAME=PATH` pairs as a mapping; each path must exist and each name may come once."""
    inputs: dict[str, Path] = {}
    for value in values:
        match = _INPUT.fullmatch(value)
        if match is None:
            raise ComponentError('usage', f'--input {value!r}: expected NAME=PATH with a lower-case name')
        name, path = match['name'], Path(match['path'])
        if name in inputs:
            raise ComponentError('usage', f'--input {name} was given twice')
        if not path.exists():
            raise ComponentError('input-missing', f'--input {name}: {path} does not exist')
        inputs[name] = path
    return inputs


def parse_step_arguments(program: str, argv: Sequence[str]) -> StepArguments:
    """Parses a step's command line; raises ComponentError `usage`, `json`, `input-missing` or `file-…`."""
    parser = UsageParser(prog=program, allow_abbrev=False)
    parser.add_argument('--input', action='append', default=[], metavar='NAME=PATH')
    parser.add_argument('--out', required=True, metavar='DIR', type=Path)
    parser.add_argument('--executor-input', metavar='JSON')
    add_params(parser)
    given = parser.parse_args(argv)
    executor = given.executor_input
    return StepArguments(
        inputs=parse_inputs(given.input),
        params=load_params(given.params, given.params_json),
        out=given.out,
        executorInput=None if executor is None else parse_json_object(executor, '--executor-input'),
    )


def add_params(parser: argparse.ArgumentParser) -> None:
    """Adds `--params FILE` and `--params-json TEXT`, of which one may be given."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument('--params', metavar='FILE', type=Path)
    group.add_argument('--params-json', metavar='JSON')


def load_params(file: Path | None, text: str | None) -> dict[str, object]:
    """The parameters from a file or from text; an empty object where neither is given."""
    if file is not None:
        return parse_json_object(read_text(file, 'the parameter file'), f'the parameter file {file}')
    if text is not None:
        return parse_json_object(text, '--params-json')
    return {}


def find_option(argv: Sequence[str], option: str) -> str | None:
    """The value of an option in a command line that may not parse as a whole: a wrong call leaves a report too."""
    for index, word in enumerate(argv):
        if word == option and index + 1 < len(argv):
            return argv[index + 1]
        if word.startswith(f'{option}='):
            return word.removeprefix(f'{option}=')
    return None
