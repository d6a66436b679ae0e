"""One module per model format: its files in, a model out. The name in model.json chooses."""

from collections.abc import Mapping

from sluice_serve.formats.linear import load_linear
from sluice_serve.formats.mlp import load_mlp
from sluice_serve.formats.trees import load_trees
from sluice_serve.model import Loader

LOADERS: Mapping[str, Loader] = {'sluice-mlp/1': load_mlp, 'sluice-trees/1': load_trees, 'sluice-linear/1': load_linear}
