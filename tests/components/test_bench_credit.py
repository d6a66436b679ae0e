"""The Python side of `npm run bench:train`: with the accelerator's modules (stand-ins here) inference is measured converted, without them it is not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from credit import Credit
from steps import ROOT

BUILDERS = """
import pathlib, numpy, xgboost
class Converted:
    def __init__(self, booster):
        self.booster = booster
    def predict_proba(self, rows):
        pathlib.Path({seen!r}).write_text(f'{{len(rows)}} {{self.booster.num_boosted_rounds()}}')
        second = self.booster.predict(xgboost.DMatrix(rows, feature_names=self.booster.feature_names))
        return numpy.column_stack([1 - second, second + {shift}])
convert_model = Converted
"""


def bench(credit: Credit, *words: str, library: Path | None = None) -> dict[str, Any]:
    folders = [ROOT / 'components' / name for name in ('protocol', 'credit-train', 'credit-convert', 'credit-infer')]
    paths = [*([library] if library else []), *folders]
    done = subprocess.run(
        [sys.executable, str(ROOT / 'scripts/bench/credit.py'), words[0], str(credit.root / 'preprocess'), *words[1:]],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(map(str, paths)), 'OMP_NUM_THREADS': '1', 'PYTHONDONTWRITEBYTECODE': '1'},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def accelerator(folder: Path, shift: float) -> Path:
    (folder / 'daal4py').mkdir(parents=True)
    (folder / 'daal4py' / '__init__.py').write_text("__version__ = '2026.1'\n")
    (folder / 'daal4py' / 'mb.py').write_text(BUILDERS.format(seen=str(folder / 'seen'), shift=shift))
    return folder


def test_without_the_accelerator_only_xgboost_is_measured(credit: Credit) -> None:
    found = bench(credit, 'infer', str(credit.root / 'train'), '4000')
    assert (found['converted'], found['rows'], found['trees']) == (None, 4000, 40)
    assert found['seconds'] > 0 and "No module named 'daal4py'" in found['reason']


def test_with_the_accelerator_all_rows_go_through_the_converted_model(credit: Credit, tmp_path: Path) -> None:
    library = accelerator(tmp_path, 0.0)
    found = bench(credit, 'infer', str(credit.root / 'train'), '4000', library=library)
    assert found['converted'] > 0 and found['version'] == '2026.1'
    assert (library / 'seen').read_text() == '4000 40'


def test_a_converted_model_that_answers_otherwise_is_no_measurement(credit: Credit, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r'differ .* by 1\.0+e-02'):
        bench(credit, 'infer', str(credit.root / 'train'), '4000', library=accelerator(tmp_path, 0.01))


def test_an_update_adds_its_rounds_on_as_many_rows_as_are_asked(credit: Credit) -> None:
    found = bench(credit, 'update', str(credit.root / 'train'), '4000')
    assert (found['rows'], found['rounds'], found['trees']) == (4000, 50, 90)
