"""Arrays in .npz files, byte for byte the same for the same numbers, and never a pickle in either direction."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluice_protocol import ComponentError


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """An uncompressed .npz with fixed dates in the zip: numpy promises no particular ones, digests need them."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f'{name}.npy', date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content.getvalue())


def read_npz(path: Path, *names: str) -> tuple[NDArray[Any], ...]:
    """The named arrays; fails with `arrays-invalid`."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return tuple(arrays[name] for name in names)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ComponentError('arrays-invalid', f'{path.name} does not hold the arrays {", ".join(names)}: {error}') from error
