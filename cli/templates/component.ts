// The files of a new component: a baseline that trains and can be served, its description, image, pins and a test. It runs as it is.

/** Text of each file by its path below the component's folder. `name` has been checked as a component's name. */
export function componentFiles(name: string): Record<string, string> {
  const module = `sluice_${name.replaceAll('-', '_')}`;
  return {
    'component.yaml': description(name, module),
    Dockerfile: dockerfile(name, module),
    'requirements.txt': '# Exact versions of what the step imports beyond the standard library, one a line: numpy==1.26.4\n',
    'README.md': readme(name, module),
    [`${module}/__init__.py`]: `"""${name}: predicts the mean of gold's last column. Replace the work in __main__.py by yours."""\n`,
    [`${module}/__main__.py`]: program(name, module),
    [`${module}/model.py`]: model(module),
    [`${module}/table.py`]: table(),
    [`tests/test_${module}.py`]: test(name, module),
  };
}

const description = (name: string, module: string): string => `\
# What a backend must know to run this step. The image is a repository name; its digest comes from the lock file.
name: ${name}
version: 0.1.0
protocol: 1
image: sluice/${name}
entry: [python3, -m, ${module}]
# Folders (relative to this one) that PYTHONPATH must hold where the step runs without its image.
pythonPath: [., ../protocol]
inputs:
  - name: gold
    description: a folder of *.csv with numbers; the last column is what is predicted
outputs:
  - name: report
    path: run-report.json
  - name: model
    path: model.tar.gz
`;

const dockerfile = (name: string, module: string): string => `\
# ${name} as an image. Context: the folder components/. The base comes by digest, so that a build is repeatable:
#   npm run images -- --registry REGISTRY --base python@sha256:… ${name}
ARG BASE_IMAGE
FROM \${BASE_IMAGE}

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONPATH=/app PIP_DISABLE_PIP_VERSION_CHECK=1
COPY ${name}/requirements.txt /tmp/requirements.txt
RUN python3 -m pip install --no-cache-dir --only-binary :all: -r /tmp/requirements.txt && rm /tmp/requirements.txt
COPY protocol/sluice_protocol /app/sluice_protocol
COPY ${name}/${module} /app/${module}

# A number, not a name: Kubernetes' runAsNonRoot cannot check names.
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["python3", "-m", "${module}"]
`;

const readme = (name: string, module: string): string => `\
# ${name}

Predicts the mean of gold's last column: a baseline that trains, is judged and can be served as it is. Replace \`fit\` in \`${module}/__main__.py\` by your training.
What \`work\` returns is the run report: \`metrics\` by name for the gates in \`sluice.yaml\`, the model, and golden rows that every endpoint must answer alike.

\`\`\`
PYTHONPATH=.:../protocol python3 -m ${module} --input gold=FOLDER --out OUT    # one run
python3 -m pytest tests                                                       # its test
\`\`\`

Three lines join it to a pipeline; \`sluice train PIPELINE --set trim=0.1 --reason TEXT\` trains with another parameter:

\`\`\`yaml
train:
  backend: [local]
  component: ${name}
  params: { trim: 0 }
\`\`\`

The component \`serve\` answers for models of the format \`sluice-linear/1\`, which this one writes. A model of another kind needs a serving component of its own.
A step of a graph that makes no model returns its metrics alone: \`return {'rows': 7}\`.
`;

const program = (name: string, module: string): string => `\
"""The step: gold in; metrics, a model and golden rows out. Arguments, digests, times and the run report are the protocol's work."""

from ${module}.model import write_model
from ${module}.table import Table, read_table
from sluice_protocol import GoldenSet, Number, Outcome, PredictedValue, StepArguments, read_params, step

DECLARED = {'trim': Number(0.0, 0.0, 0.4)}


def fit(table: Table, trim: float) -> float:
    """The mean of the labels without the share \`trim\` at either end. Your work goes here."""
    ordered = sorted(table.labels)
    cut = int(trim * len(ordered))
    kept = ordered[cut : len(ordered) - cut]
    return sum(kept) / len(kept)


@step('${name}', '0.1.0')
def work(arguments: StepArguments) -> Outcome:
    """The last column is what is predicted; the others are the features."""
    params = read_params('${name}', DECLARED, arguments.params)
    table = read_table(arguments.input('gold'))
    mean = fit(table, params['trim'])
    mae = sum(abs(label - mean) for label in table.labels) / len(table.labels)
    some = table.rows[:32]
    return Outcome(
        metrics={'mae': mae, 'rows': len(table.rows)},
        params=params,
        model=write_model(arguments.out, '${name}', table, mean),
        golden=GoldenSet(rows=some, predictions=[PredictedValue(mean) for _ in some], tolerance=1e-6, columns=table.features),
        data={'rows': len(table.rows), 'features': table.features, 'label': table.label},
    )


work.run()
`;

const table = (): string => `\
"""Gold as a table of numbers: a folder of CSV files with one header."""

import csv
from dataclasses import dataclass
from pathlib import Path

from sluice_protocol import ComponentError


@dataclass(frozen=True)
class Table:
    """Rows without their label, the labels, and the names of both."""

    features: list[str]
    label: str
    rows: list[list[float]]
    labels: list[float]


def read_table(folder: Path) -> Table:
    """Fails with \`gold-value\` where a value is no number, and with \`too-few-rows\`."""
    header: list[str] = []
    rows: list[list[float]] = []
    for path in sorted(folder.glob('*.csv')):
        with path.open(encoding='utf-8', newline='') as file:
            lines = csv.reader(file)
            names = next(lines, [])
            if header not in ([], names):
                raise ComponentError('gold-value', f'{path.name} has other columns than the files before it')
            header = names
            rows += [_numbers(path.name, lines.line_num, names, line) for line in lines]
    if len(rows) < 2 or len(header) < 2:
        raise ComponentError('too-few-rows', f'{len(rows)} rows of {len(header)} columns; two of both are needed')
    return Table(header[:-1], header[-1], [row[:-1] for row in rows], [row[-1] for row in rows])


def _numbers(file: str, number: int, names: list[str], line: list[str]) -> list[float]:
    if len(line) != len(names):
        raise ComponentError('gold-value', f'{file} line {number} has {len(line)} values, expected {len(names)}')
    try:
        return [float(value) for value in line]
    except ValueError as error:
        raise ComponentError('gold-value', f'{file} line {number}: {error}') from error
`;

const model = (module: string): string => `\
"""The model as files: a weighted sum in the format that the component \`serve\` reads, packed with its digests."""

import json
from pathlib import Path

from ${module}.table import Table
from sluice_protocol import FileDigest, ModelDescription, folder_digests, model_digest, write_archive


def write_model(out: Path, name: str, table: Table, mean: float) -> ModelDescription:
    """All weights are zero, so the answer is \`mean\` whatever the row. A row beyond the bounds of its columns is refused when it is served."""
    folder = out / 'model'
    folder.mkdir(exist_ok=True)
    columns = list(zip(*table.rows, strict=True))
    bounds = [(min(values), max(values)) for values in columns]
    description = {
        'format': 'sluice-linear/1',
        'name': name,
        'features': [
            {'name': feature, 'kind': 'number', 'minimum': low, 'maximum': high if high > low else low + 1}
            for feature, (low, high) in zip(table.features, bounds, strict=True)
        ],
        'weights': [0.0] * len(table.features),
        'intercept': mean,
        'target': table.label,
    }
    (folder / 'model.json').write_text(json.dumps(description, indent=1, allow_nan=False) + '\\n', encoding='utf-8')
    files = folder_digests(folder)
    archive = write_archive(folder, out / 'model.tar.gz')
    return ModelDescription(model_digest(files), files, FileDigest('model.tar.gz', archive.sha256, archive.bytes))
`;

const test = (name: string, module: string): string => `\
"""The step as a backend runs it: a process, a folder in, a run report out."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

COMPONENT = Path(__file__).resolve().parents[1]
PROTOCOL = Path(os.environ.get('SLUICE_PROTOCOL', COMPONENT.parent / 'protocol'))


def run(gold: Path, out: Path, params: str = '{}') -> tuple[int, dict]:
    environment = {**os.environ, 'PYTHONPATH': f'{COMPONENT}{os.pathsep}{PROTOCOL}'}
    command = [sys.executable, '-m', '${module}', '--input', f'gold={gold}', '--params-json', params, '--out', str(out)]
    ended = subprocess.run(command, env=environment, timeout=60, check=False)
    return ended.returncode, json.loads((out / 'run-report.json').read_text(encoding='utf-8'))


def table(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / 'part-0.csv').write_text(text, encoding='utf-8')
    return folder


def test_trains_and_leaves_a_model(tmp_path: Path) -> None:
    gold = table(tmp_path / 'gold', 'a,b,y\\n1,2,10\\n3,4,20\\n5,6,60\\n')
    code, report = run(gold, tmp_path / 'out')
    assert code == 0
    assert report['component'] == {'name': '${name}', 'version': '0.1.0'}
    assert report['metrics'] == {'mae': 20, 'rows': 3}
    assert report['golden']['predictions'] == [{'value': 30}] * 3
    with tarfile.open(tmp_path / 'out' / 'model.tar.gz') as archive:
        assert archive.getnames() == ['model.json']


def test_takes_its_parameter_within_its_bounds(tmp_path: Path) -> None:
    gold = table(tmp_path / 'gold', 'a,y\\n1,10\\n3,20\\n5,60\\n')
    assert run(gold, tmp_path / 'out', '{"trim": 0.34}')[1]['golden']['predictions'][0] == {'value': 20}
    code, report = run(gold, tmp_path / 'out', '{"trim": 2}')
    assert (code, report['error']['code']) == (1, 'params')


def test_says_what_is_wrong(tmp_path: Path) -> None:
    code, report = run(table(tmp_path / 'gold', 'a,y\\n1,ten\\n'), tmp_path / 'out')
    assert (code, report['status']) == (1, 'failed')
    assert 'part-0.csv line 2' in report['error']['message']
    assert 'gold' in run(tmp_path / 'nowhere', tmp_path / 'out')[1]['error']['message']
`;
