"""From verified files to a model: the format that model.json names chooses how they are read."""

import json
import zipfile

from sluice_protocol import ComponentError
from sluice_serve.formats import LOADERS
from sluice_serve.model import Files, Model


def load_model(files: Files, digest: str, name: str | None = None) -> Model:
    """Builds the model from verified files; fails with `model-format` where they do not fit together."""
    try:
        description = json.loads(files['model.json'])
        loader = LOADERS.get(description['format'])
        if loader is None:
            raise ComponentError(
                'model-format', f'model.json has format {str(description["format"])[:80]!r}, this server runs {", ".join(LOADERS)}'
            )
        return loader(description, files, name or str(description['name']), digest)
    except (KeyError, IndexError, TypeError, ValueError, OSError, RecursionError, AttributeError, zipfile.BadZipFile) as error:
        raise ComponentError('model-format', f'the model folder cannot be served: {type(error).__name__}: {str(error)[:300]}') from error
