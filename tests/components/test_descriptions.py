"""What is written about the components is true: versions agree, the README's program runs, its report has the shape of a real one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import sluice_ble_train
import sluice_serve
import sluice_transfer
from steps import ROOT, report_of, run_step, small_gold, write_gold

README = (ROOT / 'components/protocol/README.md').read_text(encoding='utf-8')


@pytest.mark.parametrize('module', [sluice_ble_train, sluice_serve, sluice_transfer])
def test_component_yaml_names_the_component_as_its_code_does(module: Any) -> None:
    text = (ROOT / 'components' / module.NAME / 'component.yaml').read_text(encoding='utf-8')
    found = dict(re.findall(r'^(\w+): (.+)$', text, re.MULTILINE))
    assert found['name'] == module.NAME
    assert found['version'] == module.VERSION
    assert found['protocol'] == '1'
    assert module.__name__ in found['entry']
    folders = [path.strip() for path in found['pythonPath'].strip('[]').split(',')]
    assert all((ROOT / 'components' / module.NAME / folder).is_dir() for folder in folders)
    assert any((ROOT / 'components' / module.NAME / folder / module.__name__).is_dir() for folder in folders)


@pytest.mark.parametrize('name', ['ble-train', 'serve', 'transfer'])
def test_images_are_built_on_a_given_base_and_do_not_run_as_root(name: str) -> None:
    lines = (ROOT / 'components' / name / 'Dockerfile').read_text(encoding='utf-8').splitlines()
    assert 'FROM ${BASE_IMAGE}' in lines
    assert 'USER 10001:10001' in lines
    copied = [line.split()[1] for line in lines if line.startswith('COPY')]
    assert all((ROOT / 'components' / path).exists() for path in copied)


def test_the_program_of_the_readme_runs(tmp_path: Path) -> None:
    code = re.findall(r'```python\n(.*?)```', README, re.DOTALL)
    (tmp_path / 'gold.csv').write_text('a\n1\n2\n')
    ended = run_step('transfer', '--input', f'gold={tmp_path / "gold.csv"}', '--out', tmp_path / 'out', code=['-c', code[0]])
    assert ended.code == 0, ended.stderr
    assert report_of(tmp_path / 'out')['metrics'] == {'rows': 2}


def test_the_report_of_the_readme_has_the_fields_of_a_real_one(tmp_path: Path) -> None:
    example, failure = (json.loads(text) for text in re.findall(r'```json\n(.*?)```', README, re.DOTALL))
    gold = write_gold(tmp_path / 'gold.csv', small_gold())
    extra = {'SLUICE_QUEUED_AT': '2026-01-01T00:00:00Z'}
    args = ('--input', f'gold={gold}', '--out', tmp_path / 'out')
    assert run_step('ble-train', *args, '--params-json', '{"epochs": 2}', extra=extra).code == 0
    assert shape(report_of(tmp_path / 'out')) == shape(example)
    assert run_step('ble-train', *args, '--params-json', '{"epochs": 0}').code == 1
    assert shape(report_of(tmp_path / 'out')) == shape(failure)


OPEN = ('metrics', 'params')
"""Objects whose keys are the step's own."""


def shape(value: Any) -> Any:
    """Keys and kinds without the values; a list is the shape of its first entry."""
    if isinstance(value, dict):
        return {key: 'open' if key in OPEN else shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return 'number' if isinstance(value, int | float) else type(value).__name__
