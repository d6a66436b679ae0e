"""Format `sluice-mlp/1`, as ble-train writes it: dense layers in weights.npz, scaling and labels in model.json."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sluice_protocol import ComponentError
from sluice_serve.model import Classifier, Files, Floats, Model
from sluice_tabular import NumberColumn


@dataclass(frozen=True)
class Layer:
    """One dense layer; `weights` is (inputs, outputs)."""

    weights: Floats
    biases: Floats
    activation: Callable[[Floats], Floats]


@dataclass(frozen=True)
class Network(Classifier):
    """A network with softmax at its end."""

    low: float
    high: float
    layers: tuple[Layer, ...]

    def probabilities(self, rows: Sequence[Sequence[float]]) -> Floats:
        values = (np.asarray(rows, dtype=np.float64) - self.low) / (self.high - self.low)
        for layer in self.layers:
            values = layer.activation(values @ layer.weights + layer.biases)
        return values


def relu(values: Floats) -> Floats:
    return np.maximum(values, 0.0)


def softmax(values: Floats) -> Floats:
    shifted = np.exp(values - values.max(axis=1, keepdims=True))
    scaled: Floats = shifted / shifted.sum(axis=1, keepdims=True)
    return scaled


_ACTIVATIONS: Mapping[str, Callable[[Floats], Floats]] = {'relu': relu, 'softmax': softmax}


def load_mlp(description: Mapping[str, object], files: Files, name: str, digest: str) -> Model:
    """Fails with `model-format` where the arrays and the description do not fit."""
    given: Mapping[str, object] = description
    scaling: Mapping[str, object] = given['scaling']  # type: ignore[assignment]  # another type raises, which load_model tells
    if scaling['kind'] != 'min-max':
        raise ComponentError('model-format', f'scaling {scaling["kind"]!r} is unknown; expected min-max')
    network = Network(
        name=name,
        digest=digest,
        features=tuple(
            NumberColumn(str(item['name']), float(item['minimum']), float(item['maximum']))
            for item in given['features']  # type: ignore[attr-defined]
        ),
        classes=tuple(str(label) for label in given['classes']),  # type: ignore[attr-defined]
        low=float(scaling['minimum']),  # type: ignore[arg-type]
        high=float(scaling['maximum']),  # type: ignore[arg-type]
        layers=_layers(given['layers'], files['weights.npz']),  # type: ignore[arg-type]
    )
    _check(network)
    return network


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


def _check(model: Network) -> None:
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
