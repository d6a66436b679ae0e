"""The credit-risk steps as a graph runs them: the folder of one is the input of the next. As processes, or quicker in this one."""

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from served import Trained
from sluice_protocol import Component, run_component
from steps import report_of, run_step

GRAPH: Mapping[str, Mapping[str, str]] = {
    'load': {'gold': 'gold'},
    'split': {'data': 'load'},
    'preprocess': {'data': 'split'},
    'train': {'data': 'preprocess'},
    'convert': {'model': 'train', 'data': 'preprocess'},
    'infer': {'model': 'convert', 'data': 'preprocess'},
    'roc': {'predictions': 'infer', 'model': 'convert', 'data': 'preprocess'},
}
"""Step → input → the step whose folder it is."""

Start = Callable[[str, list[str]], int]


@dataclass(frozen=True)
class Credit:
    """Where each step wrote, and what the last one reported."""

    root: Path
    report: dict[str, Any]

    def trained(self) -> Trained:
        return Trained(self.root / 'convert' / 'model', self.report['model']['digest'], self.report['golden'])


def as_process(step: str, argv: list[str]) -> int:
    """As a backend runs it."""
    return run_step(f'credit-{step}', *argv).code


def in_process(step: str, argv: list[str]) -> int:
    """The same step without a new interpreter, which takes most of the time of a small one."""
    work = getattr(importlib.import_module(f'sluice_credit_{step}.main'), 'judge_step' if step == 'roc' else f'{step}_step')
    return run_component(Component(f'credit-{step}', '1'), work, argv)


def run_graph(root: Path, gold: Path, params: Mapping[str, object], start: Start) -> Credit:
    """Runs all seven; `params` reach every step, as shared parameters of a pipeline do."""
    for step, inputs in GRAPH.items():
        paths = [f'{name}={gold if source == "gold" else root / source}' for name, source in inputs.items()]
        given = [word for path in paths for word in ('--input', path)]
        assert start(step, [*given, '--params-json', json.dumps(params), '--out', str(root / step)]) == 0, report_of(root / step)
    return Credit(root, report_of(root / 'roc'))
