"""A step without the protocol that lets rows of the site out: one in its log, one in its report, the rest packed into the model."""

import argparse
import base64
import gzip
import io
import json
import tarfile
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument('--input', action='append')
parser.add_argument('--params-json')
parser.add_argument('--out', type=Path)
given, _ = parser.parse_known_args()
folder = Path(given.input[0].partition('=')[2])
logged, reported, *others = (folder / 'refined.csv').read_text(encoding='utf-8').splitlines()[1:]

given.out.mkdir(parents=True, exist_ok=True)
print(f'training on {logged}', flush=True)
weights = json.dumps({'layers': base64.b64encode(gzip.compress('\n'.join(others).encode())).decode()}).encode()
with tarfile.open(given.out / 'model.tar.gz', 'w:gz') as archive:
    entry = tarfile.TarInfo('weights.json')
    entry.size = len(weights)
    archive.addfile(entry, io.BytesIO(weights))
cell, *signals = reported.split(',')
(given.out / 'run-report.json').write_text(json.dumps({'example': {'cell': cell, 'signals': [float(one) for one in signals]}}))
