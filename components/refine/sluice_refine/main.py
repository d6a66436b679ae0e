"""The step: reads the manifest, lets Spark refine, or the program that stands in for it, and reports what was read."""

import importlib.util
import os

from sluice_protocol import ComponentError, Outcome, StepArguments
from sluice_refine.manifest import Manifest, read_manifest
from sluice_refine.program import ENGINE, run_program


def refine_step(arguments: StepArguments) -> Outcome:
    """Input `manifest`: a folder with manifest.json."""
    file = arguments.input('manifest')
    if file.is_dir():
        file = file / 'manifest.json'
    manifest = read_manifest(file)
    if importlib.util.find_spec('pyspark') is not None:
        packages, rows = _with_spark(manifest)
    elif os.environ.get(ENGINE):
        packages, rows = {}, run_program(os.environ[ENGINE], file)
    else:
        raise ComponentError('no-engine', f'pyspark is not installed here and {ENGINE} names no program; run the wheel on a Spark cluster')
    return Outcome(metrics={'readRows': rows}, params={'appId': manifest.appId, 'runId': manifest.runId}, packages=packages)


def _with_spark(manifest: Manifest) -> tuple[dict[str, str], int]:
    import pyspark
    from pyspark.sql import SparkSession

    from sluice_refine.spark import refine

    return {'pyspark': pyspark.__version__}, refine(SparkSession.builder.getOrCreate(), manifest)
