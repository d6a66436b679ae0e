"""Runs a component as the process it is, and reads what it left."""

import csv
import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BEACONS = [f'b3{number:03d}' for number in range(1, 14)]


@dataclass(frozen=True)
class Ended:
    """A process that is over."""

    code: int
    stdout: str
    stderr: str


def environment(component: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    folders = [ROOT / 'components' / name for name in ('protocol', component)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith('SLUICE_') and name != 'PORT'}
    return {**kept, 'PYTHONPATH': os.pathsep.join(map(str, folders)), 'PYTHONDONTWRITEBYTECODE': '1', **(extra or {})}


def run_step(component: str, *args: object, extra: Mapping[str, str] | None = None, code: Sequence[str] | None = None) -> Ended:
    """Runs a component's module (or, with `code`, other Python arguments) with a deadline."""
    module = code if code is not None else ['-m', f'sluice_{component.replace("-", "_")}']
    done = subprocess.run(
        [sys.executable, *module, *map(str, args)],
        env=environment(component, extra),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def report_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / 'run-report.json').read_text(encoding='utf-8'))
    return found


def write_gold(path: Path, rows: Sequence[tuple[str, Sequence[int]]], header: Sequence[str] = ('location', *BEACONS)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('w', encoding='utf-8', newline='') as file:
        lines = csv.writer(file, lineterminator='\n')
        lines.writerow(header)
        lines.writerows([cell, *signal] for cell, signal in rows)
    return path


def small_gold(seed: int = 0, cells: int = 12, scans: int = 20) -> list[tuple[str, list[int]]]:
    """Readings that a network can learn: each cell hears its own beacon best; some rows are near copies."""
    dice = random.Random(seed)
    rows: list[tuple[str, list[int]]] = []
    for number in range(cells):
        cell = f'{"ABCD"[number % 4]}{number // 4 + 1:02d}'
        for _ in range(scans):
            signal = [-200] * 13
            signal[number] = dice.randint(-80, -55)
            signal[(number + 1) % 13] = dice.choice([-200, dice.randint(-95, -75)])
            rows.append((cell, signal))
            if dice.random() < 0.4:
                rows.append((cell, [value if value == -200 else value + dice.randint(-2, 2) for value in signal]))
    return rows
