"""What is written about the components is true: versions agree, the README's program runs, its report has the shape of a real one."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from steps import ROOT, report_of, run_step, small_gold, write_gold

COMPONENTS = sorted(path.parent.name for path in ROOT.glob('components/*/component.yaml'))
README = (ROOT / 'components/protocol/README.md').read_text(encoding='utf-8')


@pytest.mark.parametrize('name', COMPONENTS)
def test_component_yaml_names_the_component_as_its_code_does(name: str) -> None:
    module = importlib.import_module(f'sluice_{name.replace("-", "_")}')
    text = (ROOT / 'components' / name / 'component.yaml').read_text(encoding='utf-8')
    found = dict(re.findall(r'^(\w+): (.+)$', text, re.MULTILINE))
    assert found['name'] == module.NAME == name
    assert found['version'] == module.VERSION
    assert found['protocol'] == '1'
    assert module.__name__ in found['entry']
    folders = [path.strip() for path in found['pythonPath'].strip('[]').split(',')]
    assert all((ROOT / 'components' / module.NAME / folder).is_dir() for folder in folders)
    assert any((ROOT / 'components' / module.NAME / folder / module.__name__).is_dir() for folder in folders)


@pytest.mark.parametrize('name', COMPONENTS)
def test_images_are_built_on_a_given_base_and_do_not_run_as_root(name: str) -> None:
    lines = (ROOT / 'components' / name / 'Dockerfile').read_text(encoding='utf-8').splitlines()
    assert 'FROM ${BASE_IMAGE}' in lines
    assert 'USER 10001:10001' in lines
    copied = [line.split()[1] for line in lines if line.startswith('COPY')]
    assert all((ROOT / 'components' / path).exists() for path in copied)
    assert f'{name}/requirements.txt' in copied or not (ROOT / 'components' / name / 'requirements.txt').exists()
    assert imported(ROOT / 'components' / name) <= {Path(path).name for path in copied}


def imported(component: Path) -> set[str]:
    """Our packages that a component needs, directly or through the shared ones."""
    found: set[str] = set()
    new = {path.name for path in component.glob('sluice_*')}
    while new:
        found |= new
        folders = [folder for name in new for folder in (component / name, ROOT / 'components' / 'protocol' / name) if folder.is_dir()]
        texts = [path.read_text(encoding='utf-8') for folder in folders for path in folder.rglob('*.py')]
        new = {name for text in texts for name in re.findall(r'^\s*(?:from|import) (sluice_\w+)', text, re.MULTILINE)} - found
    return found


@pytest.mark.parametrize('name', COMPONENTS)
def test_packages_are_pinned_and_the_readme_is_there(name: str) -> None:
    folder = ROOT / 'components' / name
    assert (folder / 'README.md').read_text(encoding='utf-8').startswith(f'# {name}')
    if (folder / 'requirements.txt').exists():
        lines = [line for line in (folder / 'requirements.txt').read_text(encoding='utf-8').splitlines() if not line.startswith('#')]
        assert lines and all(re.fullmatch(r'[a-z0-9-]+==[0-9][0-9.]*', line) for line in lines)


@pytest.mark.parametrize('name', [name for name in COMPONENTS if name.startswith(('credit-', 'ridge-'))])
def test_component_yaml_lists_the_parameters_of_the_code(name: str) -> None:
    text = (ROOT / 'components' / name / 'component.yaml').read_text(encoding='utf-8')
    listed = re.search(r'^params: \[(.*)\]$', text, re.MULTILINE)
    module = importlib.import_module(f'sluice_{name.replace("-", "_")}.params')
    assert listed is not None and {one for one in listed[1].split(', ') if one} == set(getattr(module, 'DECLARED', {}))
    readme = (ROOT / 'components' / name / 'README.md').read_text(encoding='utf-8')
    assert all(f'`{parameter}`' in readme for parameter in getattr(module, 'DECLARED', {}))


def test_the_programs_of_the_readme_run(tmp_path: Path) -> None:
    programs = re.findall(r'```python\n(.*?)```', README, re.DOTALL)
    assert len(programs) == 2
    (tmp_path / 'gold.csv').write_text('a\n1\n2\n')
    for number, code in enumerate(programs):
        out = tmp_path / str(number)
        ended = run_step('transfer', '--input', f'gold={tmp_path / "gold.csv"}', '--out', out, code=['-c', code])
        assert ended.code == 0, ended.stderr
        assert report_of(out)['component']['name'] == 'row-count'
        assert report_of(out)['metrics'] == {'rows': 2}


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
