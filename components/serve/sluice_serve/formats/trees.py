"""Format `sluice-trees/1`, as credit-convert writes it: raw rows through the shipped transforms into XGBoost's trees, without XGBoost.

booster.json is XGBoost's own model JSON (versions 1.7 to 3). Leaves are summed in float32 in the order of the trees, as XGBoost does.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluice_protocol import ComponentError
from sluice_serve.model import Classifier, Files, Floats, Model
from sluice_tabular import Preprocessing

MAX_NODES = 50_000_000
_ROWS_AT_ONCE = 256
"""Rows that walk together: each takes a few numbers per tree."""


@dataclass(frozen=True)
class Forest:
    """All nodes of all trees in one row of arrays. A leaf points at itself, so that every walk has the same length."""

    roots: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    missingLeft: NDArray[np.bool_]
    depth: int
    margin: np.float32

    def margins(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The sum of one leaf per tree, for each row."""
        return np.concatenate([self._walk(features[start : start + _ROWS_AT_ONCE]) for start in range(0, len(features), _ROWS_AT_ONCE)])

    def _walk(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        rows = np.arange(len(features))[:, None]
        node = np.broadcast_to(self.roots, (len(features), len(self.roots)))
        for _ in range(self.depth):
            value = features[rows, self.feature[node]]
            goes_left = np.where(np.isnan(value), self.missingLeft[node], value < self.threshold[node])
            node = np.where(goes_left, self.left[node], self.right[node])
        start = np.full((len(features), 1), self.margin, dtype=np.float32)
        # `add.accumulate` adds one after the other; `sum` would add pairwise, which rounds otherwise.
        return np.add.accumulate(np.hstack([start, self.threshold[node]]), axis=1, dtype=np.float32)[:, -1]


@dataclass(frozen=True)
class Trees(Classifier):
    """Two classes by gradient-boosted trees."""

    preprocessing: Preprocessing
    forest: Forest

    def probabilities(self, rows: Sequence[Sequence[float]]) -> Floats:
        features = self.preprocessing.transform(np.asarray(rows, dtype=np.float64)).astype(np.float32)
        margins = self.forest.margins(features)
        with np.errstate(over='ignore'):
            second = (np.float32(1) / (np.float32(1) + np.exp(-margins))).astype(np.float64)
        return np.column_stack([1.0 - second, second])


def load_trees(description: Mapping[str, object], files: Files, name: str, digest: str) -> Model:
    """Fails with `model-format` where trees, transforms and classes do not fit."""
    preprocessing = Preprocessing.from_json(json.loads(files[str(description['preprocessing'])]))
    forest = read_forest(json.loads(files[str(description['booster'])]), len(preprocessing.features()))
    classes = tuple(str(label) for label in description['classes'])  # type: ignore[attr-defined]  # another type raises
    if len(classes) != 2 or classes[0] == classes[1]:
        raise ComponentError('model-format', f'{len(classes)} classes; these trees tell two apart')
    return Trees(name, digest, preprocessing.columns, classes, preprocessing, forest)


def read_forest(booster: Mapping[str, Any], width: int) -> Forest:
    """Trees from XGBoost's JSON; everything that a walk will follow is checked here, once."""
    learner = booster['learner']
    if learner['objective']['name'] != 'binary:logistic' or learner['gradient_booster']['name'] != 'gbtree':
        raise ComponentError('model-format', 'booster.json is not a gbtree model for binary:logistic')
    if int(learner['learner_model_param']['num_feature']) != width:
        raise ComponentError('model-format', f'the trees take {learner["learner_model_param"]["num_feature"]} features, the transforms give {width}')
    trees = learner['gradient_booster']['model']['trees']
    sizes = [len(tree['left_children']) for tree in trees]
    if not trees or min(sizes) < 1 or sum(sizes) > MAX_NODES:
        raise ComponentError('model-format', f'{len(trees)} trees with {sum(sizes)} nodes; expected 1 to {MAX_NODES} nodes')
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    parts = [_tree(tree, int(root), width) for tree, root in zip(trees, roots, strict=True)]
    left, right, feature, threshold, missing = (np.concatenate(column) for column in zip(*(part[:5] for part in parts), strict=True))
    return Forest(roots, left, right, feature, threshold, missing, max(part[5] for part in parts), _base_margin(learner))


def _base_margin(learner: Mapping[str, Any]) -> np.float32:
    """`base_score` is a probability as text; newer versions write `[5E-1]`."""
    score = float(str(learner['learner_model_param']['base_score']).strip('[]'))
    if not 0 < score < 1:
        raise ComponentError('model-format', f'base_score is {score}; expected a probability')
    return np.float32(math.log(score / (1 - score)))


def _tree(tree: Mapping[str, Any], root: int, width: int) -> tuple[Any, ...]:
    left = np.asarray(tree['left_children'], dtype=np.int32)
    right = np.asarray(tree['right_children'], dtype=np.int32)
    feature = np.asarray(tree['split_indices'], dtype=np.int32)
    threshold = np.asarray(tree['split_conditions'], dtype=np.float32)
    missing = np.asarray(tree['default_left']).astype(np.bool_)
    count = len(left)
    if any(len(array) != count for array in (right, feature, threshold, missing)) or np.any(np.asarray(tree.get('split_type', [0])) != 0):
        raise ComponentError('model-format', f'tree at node {root}: arrays of different lengths, or splits that are not numeric')
    leaf = left == -1
    own = np.arange(count, dtype=np.int32)
    # Children come after their parent in XGBoost's numbering, so a walk must end.
    inner = ~leaf
    if np.any(left[inner] <= own[inner]) or np.any(right[inner] <= own[inner]) or np.any(left >= count) or np.any(right >= count):
        raise ComponentError('model-format', f'tree at node {root}: a child is not after its parent')
    if np.any(feature[inner] < 0) or np.any(feature[inner] >= width) or not np.isfinite(threshold).all():
        raise ComponentError('model-format', f'tree at node {root}: a split on a feature that is not there, or a number that is not finite')
    depth = np.zeros(count, dtype=np.int32)
    for node in own[inner].tolist():
        depth[left[node]] = depth[right[node]] = depth[node] + 1
    feature = np.where(leaf, 0, feature).astype(np.int32)
    return np.where(leaf, own, left) + root, np.where(leaf, own, right) + root, feature, threshold, missing, int(depth.max())
