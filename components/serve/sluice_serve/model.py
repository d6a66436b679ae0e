"""The network as the server runs it: numpy arrays, a forward pass, and the ranking of labels. Immutable, so thread-safe.

Format `sluice-mlp/1`: model.json and weights.npz as ble-train writes them.
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sluice_protocol import ComponentError

FORMAT = 'sluice-mlp/1'
TOP = 5
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Feature:
    """An input column and the bounds of its values."""

    name: str
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Layer:
    """One dense layer; `weights` is (inputs, outputs)."""

    weights: Floats
    biases: Floats
    activation: Callable[[Floats], Floats]


@dataclass(frozen=True)
class Model:
    """A loaded classifier."""

    name: str
    digest: str
    features: tuple[Feature, ...]
    low: float
    high: float
    layers: tuple[Layer, ...]
    classes: tuple[str, ...]

    def probabilities(self, rows: Sequence[Sequence[float]]) -> Floats:
        """One row of class probabilities per input row."""
        values = (np.asarray(rows, dtype=np.float64) - self.low) / (self.high - self.low)
        for layer in self.layers:
            values = layer.activation(values @ layer.weights + layer.biases)
        return values


def ranking(probabilities: Floats) -> list[list[int]]:
    """Columns of the best few classes per row, best first; equal ones in class order, as on the training side."""
    order: list[list[int]] = np.argsort(-probabilities, axis=1, kind='stable')[:, :TOP].tolist()
    return order


def relu(values: Floats) -> Floats:
    return np.maximum(values, 0.0)


def softmax(values: Floats) -> Floats:
    shifted = np.exp(values - values.max(axis=1, keepdims=True))
    scaled: Floats = shifted / shifted.sum(axis=1, keepdims=True)
    return scaled


_ACTIVATIONS: Mapping[str, Callable[[Floats], Floats]] = {'relu': relu, 'softmax': softmax}


def load_model(files: Mapping[str, bytes], digest: str, name: str | None = None) -> Model:
    """Builds the model from verified files; fails with `model-format` where they do not fit together."""
    try:
        description = json.loads(files['model.json'])
        if description['format'] != FORMAT:
            raise ComponentError('model-format', f'model.json has format {description["format"]!r}, this server runs {FORMAT}')
        if description['scaling']['kind'] != 'min-max':
            raise ComponentError('model-format', f'scaling {description["scaling"]["kind"]!r} is unknown; expected min-max')
        features = tuple(Feature(item['name'], float(item['minimum']), float(item['maximum'])) for item in description['features'])
        classes = tuple(str(label) for label in description['classes'])
        model = Model(
            name=name or str(description['name']),
            digest=digest,
            features=features,
            low=float(description['scaling']['minimum']),
            high=float(description['scaling']['maximum']),
            layers=_layers(description['layers'], files['weights.npz']),
            classes=classes,
        )
    except (KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ComponentError('model-format', f'the model folder is not a {FORMAT} model: {type(error).__name__}: {error}') from error
    _check(model)
    return model


def _layers(described: Sequence[Mapping[str, str]], weights: bytes) -> tuple[Layer, ...]:
    with np.load(io.BytesIO(weights), allow_pickle=False) as arrays:
        return tuple(
            Layer(
                weights=np.asarray(arrays[item['weights']], dtype=np.float64),
                biases=np.asarray(arrays[item['biases']], dtype=np.float64),
                activation=_ACTIVATIONS[item['activation']],
            )
            for item in described
        )


def _check(model: Model) -> None:
    width = len(model.features)
    for number, layer in enumerate(model.layers):
        if layer.weights.ndim != 2 or layer.weights.shape[0] != width or layer.biases.shape != layer.weights.shape[1:]:
            raise ComponentError('model-format', f'layer {number} has shape {layer.weights.shape}, expected {width} inputs')
        if not (np.isfinite(layer.weights).all() and np.isfinite(layer.biases).all()):
            raise ComponentError('model-format', f'layer {number} holds numbers that are not finite')
        width = layer.weights.shape[1]
    if not model.layers or model.layers[-1].activation is not softmax or width != len(model.classes):
        raise ComponentError('model-format', f'the last layer gives {width} values, expected softmax over {len(model.classes)} classes')
    if len(set(model.classes)) != len(model.classes) or not model.high > model.low:
        raise ComponentError('model-format', 'class names repeat, or the scaling is empty')
