"""The Python side of `npm run bench:train`: one measurement per process, timed after the imports, answered as one line of JSON.

    credit.py prepare GOLD OUT                the steps load, split and preprocess: arrays to train on
    credit.py component DATA OUT              the component credit-train, as a backend runs it, without the start of the process
    credit.py bare DATA OUT                   the same XGBoost call on the same rows, by nothing but XGBoost
    credit.py update DATA BASE ROWS           incremental update on ROWS rows: the call of credit-train with a base
    credit.py infer DATA BASE ROWS            inference on ROWS rows: plain XGBoost, and converted by daal4py where it is installed
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from sluice_credit_convert.daal import TOLERANCE
from sluice_credit_train.params import parse_params
from sluice_protocol import Component, run_component

THREADS = 1
PARAMS = parse_params({})
BLOCK = 100_000


def prepare(gold: str, out: str) -> dict[str, Any]:
    source, name = gold, 'gold'
    for step in ('load', 'split', 'preprocess'):
        _step(step, ['--input', f'{name}={source}', '--out', f'{out}/{step}'])
        source, name = f'{out}/{step}', 'data'
    return {'data': source, 'rows': len(_arrays(Path(source))[1])}


def component(data: str, out: str) -> dict[str, Any]:
    importlib.import_module('sluice_credit_train.main')
    cpu = time.process_time()
    seconds, _ = _timed(lambda: _step('train', ['--input', f'data={data}', '--params-json', '{}', '--out', out]))
    cpu = time.process_time() - cpu
    report = json.loads((Path(out) / 'run-report.json').read_text(encoding='utf-8'))
    return {'seconds': seconds, 'cpuSeconds': cpu, 'callSeconds': report['metrics']['trainSeconds']}


def bare(data: str, out: str) -> dict[str, Any]:
    def call() -> None:
        features, labels = _arrays(Path(data))
        booster = xgboost.train(PARAMS.for_xgboost(THREADS), xgboost.DMatrix(features, labels, nthread=THREADS), num_boost_round=PARAMS.rounds)
        booster.save_model(f'{out}.json')

    cpu = time.process_time()
    seconds, _ = _timed(call)
    return {'seconds': seconds, 'cpuSeconds': time.process_time() - cpu}


def update(data: str, base: str, rows: str) -> dict[str, Any]:
    features, labels = _enlarged(*_arrays(Path(data)), int(rows))
    booster = xgboost.Booster(model_file=f'{base}/booster.json')
    matrix = xgboost.DMatrix(features, labels, feature_names=booster.feature_names, nthread=THREADS)
    settings = PARAMS.for_xgboost(THREADS)
    seconds, updated = _timed(lambda: xgboost.train(settings, matrix, num_boost_round=PARAMS.updateRounds, xgb_model=booster))
    return {'rows': len(labels), 'seconds': seconds, 'rounds': PARAMS.updateRounds, 'trees': updated.num_boosted_rounds()}


def infer(data: str, base: str, rows: str) -> dict[str, Any]:
    features, _ = _enlarged(*_arrays(Path(data)), int(rows))
    booster = xgboost.Booster({'nthread': THREADS}, model_file=f'{base}/booster.json')
    plain, answers = _timed(lambda: booster.predict(xgboost.DMatrix(features, feature_names=booster.feature_names, nthread=THREADS)))
    found: dict[str, Any] = {'rows': len(features), 'seconds': plain, 'converted': None, 'trees': booster.num_boosted_rounds()}
    try:
        daal4py = importlib.import_module('daal4py')
        builders = importlib.import_module('daal4py.mb')
    except ImportError as error:
        return {**found, 'reason': f'{type(error).__name__}: {error}'}
    # Converting happens once for a model, so it is not part of the time; nor is it part of XGBoost's, which has none.
    converted = builders.convert_model(booster)
    seconds, theirs = _timed(lambda: converted.predict_proba(features))
    largest = float(np.max(np.abs(np.asarray(theirs, dtype=np.float64)[:, 1] - answers), initial=0.0))
    if not largest <= TOLERANCE:
        raise SystemExit(f'converted answers differ from those of XGBoost by {largest:.2e}, allowed is {TOLERANCE:g}: their speed says nothing')
    return {**found, 'converted': seconds, 'version': str(getattr(daal4py, '__version__', 'unknown'))}


def _step(step: str, argv: list[str]) -> None:
    work = getattr(importlib.import_module(f'sluice_credit_{step}.main'), f'{step}_step')
    # What a step says is for its log; stdout is for our one line.
    given = argv if '--params-json' in argv else [*argv, '--params-json', '{}']
    if run_component(Component(f'credit-{step}', '1'), work, given) != 0:
        raise SystemExit(f'credit-{step} failed; see its report in {argv[-1]}')


def _arrays(folder: Path) -> tuple[Any, Any]:
    with np.load(folder / 'train.npz', allow_pickle=False) as arrays:
        return arrays['features'], arrays['labels']


def _enlarged(features: Any, labels: Any, rows: int) -> tuple[Any, Any]:
    """The rows again and again with small changes, the same for the same number: for measuring speed, not quality."""
    origin = np.arange(rows) % len(labels)
    larger = features[origin]
    dice = np.random.default_rng(0)
    for start in range(0, rows, BLOCK):
        part = larger[start : start + BLOCK]
        part *= 1 + 0.05 * dice.standard_normal(part.shape, dtype=np.float32)
    return larger, labels[origin]


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.monotonic()
    found = work()
    return time.monotonic() - started, found


def main() -> None:
    if os.environ.get('OMP_NUM_THREADS') != str(THREADS):
        raise SystemExit('set OMP_NUM_THREADS=1: threads must be known before numpy is loaded')
    answer, sys.stdout = sys.stdout, sys.stderr
    ways: dict[str, Callable[..., dict[str, Any]]] = {'prepare': prepare, 'component': component, 'bare': bare, 'update': update, 'infer': infer}
    found = ways[sys.argv[1]](*sys.argv[2:])
    print(json.dumps(found), file=answer)


main()
