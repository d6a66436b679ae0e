"""A training step that obeys the protocol, except in the one way that the parameter `behaviour` names.

`plain` is the whole of the protocol with a model that no server can load.
"""

import json
import sys
import time
from pathlib import Path

from sluice_protocol import (
    Component,
    ComponentError,
    FileDigest,
    GoldenSet,
    ModelDescription,
    Outcome,
    Prediction,
    StepArguments,
    folder_digests,
    model_digest,
    run_component,
    write_archive,
)

COMPONENT = Component('odd-train', '0.1.0')
REPORT = 'run-report.json'
LONG_SECONDS = 300


def _train(arguments: StepArguments) -> Outcome:
    behaviour = arguments.params['behaviour']
    if behaviour == 'exits-one':
        raise ComponentError('sensor-broken', 'beacon b3004 gave the same value in every row; replace the beacon')
    if behaviour == 'works-long':
        time.sleep(LONG_SECONDS)
    folder = arguments.out / 'model'
    folder.mkdir()
    (folder / 'model.json').write_text('{"kind": "odd"}\n', encoding='utf-8')
    files = folder_digests(folder)
    if behaviour == 'swaps-the-model':
        (folder / 'model.json').write_text('{"kind": "another"}\n', encoding='utf-8')
    packed = write_archive(folder, arguments.out / 'model.tar.gz')
    archive = FileDigest(path='model.tar.gz', sha256=packed.sha256, bytes=packed.bytes)
    prediction = Prediction(label='E01', probability=1.0)
    return Outcome(
        metrics={'top1': 0.9, 'leakedRows': 0},
        artifacts=[archive],
        model=ModelDescription(digest=model_digest(files), files=files, archive=archive),
        golden=GoldenSet(rows=[[-70.0] * 13], predictions=[prediction], tolerance=1e-6),
    )


def _spoil(out: Path, behaviour: object) -> None:
    """What the protocol's own code would never write."""
    report = out / REPORT
    if behaviour == 'leaves-no-report':
        report.unlink()
    elif behaviour == 'writes-nan':
        content = json.loads(report.read_text(encoding='utf-8'))
        content['metrics']['top1'] = float('nan')
        report.write_text(json.dumps(content), encoding='utf-8')
    elif behaviour == 'lies-about-the-digest':
        content = json.loads(report.read_text(encoding='utf-8'))
        content['model']['digest'] = 'f' * 64
        report.write_text(json.dumps(content), encoding='utf-8')


def _run(argv: list[str]) -> int:
    code = run_component(COMPONENT, _train, argv)
    if code == 0:
        out = Path(argv[argv.index('--out') + 1])
        _spoil(out, json.loads(argv[argv.index('--params-json') + 1])['behaviour'])
    return code


if __name__ == '__main__':
    sys.exit(_run(sys.argv[1:]))
