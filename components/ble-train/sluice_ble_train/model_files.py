"""Writes the model folder: `weights.npz` and `model.json`, no pickle, byte for byte the same for the same weights.

`model.json` holds all that a server needs besides the arrays: labels, input columns with their bounds, scaling, layers.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sluice_ble_train.network import Floats, Network
from sluice_ble_train.readings import BEACONS, NOT_HEARD, STRONGEST

FORMAT = 'sluice-mlp/1'
MODEL_NAME = 'ble-location'


def write_model(folder: Path, network: Network) -> None:
    """Writes both files into `folder`, which must exist and be empty."""
    arrays: dict[str, Floats] = {}
    layers: list[dict[str, object]] = []
    last = len(network.weights) - 1
    for index, (weights, biases) in enumerate(zip(network.weights, network.biases, strict=True)):
        arrays[f'weights{index}'] = weights
        arrays[f'biases{index}'] = biases
        activation = 'softmax' if index == last else 'relu'
        layers.append({'weights': f'weights{index}', 'biases': f'biases{index}', 'activation': activation})
    description = {
        'format': FORMAT,
        'name': MODEL_NAME,
        'features': [{'name': name, 'minimum': NOT_HEARD, 'maximum': STRONGEST} for name in BEACONS],
        'scaling': {'kind': 'min-max', 'minimum': NOT_HEARD, 'maximum': STRONGEST},
        'layers': layers,
        'classes': list(network.classes),
    }
    _write_npz(folder / 'weights.npz', arrays)
    (folder / 'model.json').write_text(json.dumps(description, indent=1, allow_nan=False) + '\n', encoding='utf-8')


def _write_npz(path: Path, arrays: Mapping[str, Floats]) -> None:
    """An uncompressed .npz with fixed dates in the zip: numpy promises no particular ones, the modelDigest needs them."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, np.ascontiguousarray(array, dtype='<f8'), allow_pickle=False)
            entry = zipfile.ZipInfo(f'{name}.npy', date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content.getvalue())
