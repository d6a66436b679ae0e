"""A program in the place of Spark, where a machine has none: it is given the manifest, refines and commits as Spark would.

SLUICE_REFINE_ENGINE is its command as a JSON list; it gets the manifest's path as the last argument, and its last line is {"readRows": N}.
"""

import json
import subprocess
from pathlib import Path

from sluice_protocol import ComponentError

ENGINE = 'SLUICE_REFINE_ENGINE'
MAX_LINE = 1500


def run_program(command: str, manifest: Path) -> int:
    """Gives the rows that it says it read. Fails with code `engine-failed`, in the program's own last words."""
    try:
        argv = json.loads(command)
    except ValueError as error:
        raise ComponentError('no-engine', f'{ENGINE} is no JSON: {error}') from error
    if not isinstance(argv, list) or not argv or not all(isinstance(part, str) for part in argv):
        raise ComponentError('no-engine', f'{ENGINE} is no list of text')
    ended = subprocess.run([*argv, str(manifest)], capture_output=True, text=True, check=False)
    lines = [line for line in (ended.stdout if ended.returncode == 0 else ended.stderr).splitlines() if line.strip()]
    last = lines[-1][:MAX_LINE] if lines else ''
    if ended.returncode != 0:
        raise ComponentError('engine-failed', last or f'the program ended with code {ended.returncode}')
    try:
        return int(json.loads(last)['readRows'])
    except (ValueError, KeyError, TypeError) as error:
        raise ComponentError('engine-failed', f'the program did not say what it read: {last[:200]!r}') from error
