// The files of a new component: a step that counts rows, its description, image, pins and a test. It runs as it is.

/** Text of each file by its path below the component's folder. `name` has been checked as a component's name. */
export function componentFiles(name: string): Record<string, string> {
  const module = `sluice_${name.replaceAll('-', '_')}`;
  return {
    'component.yaml': description(name, module),
    Dockerfile: dockerfile(name, module),
    'requirements.txt': '# Exact versions of what the step imports beyond the standard library, one a line: numpy==1.26.4\n',
    'README.md': readme(name, module),
    [`${module}/__init__.py`]: `"""${name}: counts the rows of gold. Replace the work in __main__.py by yours."""\n`,
    [`${module}/__main__.py`]: program(name),
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
    description: a folder of *.csv
outputs:
  - name: report
    path: run-report.json
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

Counts the rows of gold. Replace the function in \`${module}/__main__.py\` by your work: what it returns are the metrics of the run report,
and gates in \`sluice.yaml\` read them by name.

\`\`\`
PYTHONPATH=.:../protocol python3 -m ${module} --input gold=FOLDER --out OUT    # one run
python3 -m pytest tests                                                       # its test
\`\`\`
`;

const program = (name: string): string => `\
"""The step: gold in, metrics out. Arguments, digests, times and the run report are the protocol's work."""

from sluice_protocol import StepArguments, step


@step('${name}', '0.1.0')
def work(arguments: StepArguments) -> dict[str, float]:
    """Counts rows below the header of every CSV file."""
    files = sorted(arguments.input('gold').glob('*.csv'))
    rows = sum(max(0, len(file.read_text(encoding='utf-8').splitlines()) - 1) for file in files)
    return {'files': len(files), 'rows': rows}


work.run()
`;

const test = (name: string, module: string): string => `\
"""The step as a backend runs it: a process, a folder in, a run report out."""

import json
import os
import subprocess
import sys
from pathlib import Path

COMPONENT = Path(__file__).resolve().parents[1]
PROTOCOL = Path(os.environ.get('SLUICE_PROTOCOL', COMPONENT.parent / 'protocol'))


def run(gold: Path, out: Path) -> tuple[int, dict]:
    environment = {**os.environ, 'PYTHONPATH': f'{COMPONENT}{os.pathsep}{PROTOCOL}'}
    command = [sys.executable, '-m', '${module}', '--input', f'gold={gold}', '--out', str(out)]
    ended = subprocess.run(command, env=environment, timeout=60, check=False)
    return ended.returncode, json.loads((out / 'run-report.json').read_text(encoding='utf-8'))


def test_counts_rows(tmp_path: Path) -> None:
    gold = tmp_path / 'gold'
    gold.mkdir()
    (gold / 'part-0.csv').write_text('a,b\\n1,2\\n3,4\\n', encoding='utf-8')
    code, report = run(gold, tmp_path / 'out')
    assert code == 0
    assert report['component'] == {'name': '${name}', 'version': '0.1.0'}
    assert report['metrics'] == {'files': 1, 'rows': 2}


def test_says_what_is_missing(tmp_path: Path) -> None:
    code, report = run(tmp_path / 'nowhere', tmp_path / 'out')
    assert code != 0
    assert report['status'] == 'failed'
    assert 'gold' in report['error']['message']
`;
