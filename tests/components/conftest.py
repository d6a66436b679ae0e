"""Makes the components importable from their folders, as PYTHONPATH does where they run without an image."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
for folder in ('protocol', *(path.parent.name for path in ROOT.glob('components/*/component.yaml'))):
    sys.path.insert(0, str(ROOT / 'components' / folder))
sys.path.insert(0, str(Path(__file__).parent))

from sluice_protocol import limit_threads  # noqa: E402  # needs the path above; must come before numpy

limit_threads(os.environ)

from blob_store import Store, running_store  # noqa: E402
from credit import Credit, in_process, run_graph  # noqa: E402
from served import Trained  # noqa: E402
from steps import report_of, run_step, small_gold, write_gold  # noqa: E402


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty object store on a free port."""
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with running_store() as running:
        yield running


@pytest.fixture(scope='session')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A small model, trained once by the real component."""
    root = tmp_path_factory.mktemp('served')
    gold = write_gold(root / 'gold.csv', small_gold())
    ended = run_step('ble-train', '--input', f'gold={gold}', '--params-json', '{"epochs": 30}', '--out', root / 'out')
    assert ended.code == 0, ended.stderr
    report = report_of(root / 'out')
    return Trained(root / 'out' / 'model', report['model']['digest'], report['golden'])


@pytest.fixture(scope='session')
def credit(tmp_path_factory: pytest.TempPathFactory) -> Credit:
    """The seven credit steps on generated rows with few rounds."""
    root = tmp_path_factory.mktemp('credit')
    run_step('credit-load', '--rows', 1500, '--out', root / 'gold.csv', code=[str(ROOT / 'examples/credit-risk/generate.py')])
    return run_graph(root, root / 'gold.csv', {'rounds': 40, 'goldenRows': 20}, in_process)
