"""Packs every component as a wheel for clusters that run packages instead of images: `python3 components/wheels.py LOCK OUT`.

LOCK is the lock file of images (component -> image by digest): a wheel carries the digest of its image in its version, so that the lock pins
both. Wheels are deterministic: sorted entries, no times. Pure Python; what a step imports beyond it comes from the cluster.
"""

import base64
import hashlib
import json
import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SHARED = sorted(path for path in (ROOT / 'protocol').iterdir() if path.is_dir() and path.name.startswith('sluice_'))
DIGEST = re.compile(r'@sha256:([0-9a-f]{64})$')


def wheel_name(component: str, image: str) -> str:
    """`sluice_ble_train-0+<16 hex of the image's digest>-py3-none-any.whl`."""
    digest = DIGEST.search(image)
    if digest is None:
        raise ValueError(f'{component}: {image} is no image by digest')
    return f'{module_of(component)}-0+{digest.group(1)[:16]}-py3-none-any.whl'


def build(component: str, image: str, out: Path) -> Path:
    """Writes the wheel of a component and returns its path."""
    module = module_of(component)
    name = wheel_name(component, image)
    info = f'{"-".join(name.split("-")[:2])}.dist-info'
    entries = {f'{info}/METADATA': f'Metadata-Version: 2.1\nName: {module}\nVersion: {name.split("-")[1]}\n'.encode()}
    entries[f'{info}/WHEEL'] = b'Wheel-Version: 1.0\nGenerator: sluice\nRoot-Is-Purelib: true\nTag: py3-none-any\n'
    entries[f'{info}/entry_points.txt'] = b'[console_scripts]\nsluice-step = sluice_launch.main:main\n'
    for package in [ROOT / component / module, *SHARED]:
        for path in sorted(package.rglob('*')):
            if path.is_file() and '__pycache__' not in path.parts:
                entries[path.relative_to(package.parent).as_posix()] = path.read_bytes()
    record = [f'{path},sha256={_digest(content)},{len(content)}' for path, content in sorted(entries.items())]
    entries[f'{info}/RECORD'] = '\n'.join([*record, f'{info}/RECORD,,', '']).encode()
    out.mkdir(parents=True, exist_ok=True)
    target = out / name
    with zipfile.ZipFile(target, 'w', zipfile.ZIP_DEFLATED) as archive:
        for path, content in sorted(entries.items()):
            archive.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
    return target


def module_of(component: str) -> str:
    """The Python package of a component."""
    return f'sluice_{component.replace("-", "_")}'


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()


def main(lock: str, out: str) -> None:
    """Builds the wheel of every component of the lock file that has its folder here."""
    for component, image in sorted(json.loads(Path(lock).read_text(encoding='utf-8')).items()):
        if (ROOT / component / module_of(component)).is_dir():
            print(build(component, image, Path(out)).name)


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit('usage: python3 components/wheels.py LOCK OUT')
    main(sys.argv[1], sys.argv[2])
