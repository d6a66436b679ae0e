"""The seam between a training or serving step and Sluice: arguments in, one run report out.

Standard library only, so that it runs in any image; ../README.md holds the authoritative example of a report.
"""

from sluice_protocol.archive import write_archive
from sluice_protocol.arguments import StepArguments, parse_step_arguments
from sluice_protocol.digest import FileDigest, file_digest, folder_digests, model_digest
from sluice_protocol.errors import ComponentError
from sluice_protocol.redact import redact_urls
from sluice_protocol.report import (
    PROTOCOL,
    REPORT_NAME,
    Component,
    GoldenSet,
    ModelDescription,
    Outcome,
    Prediction,
    Slice,
)
from sluice_protocol.runner import run_component, run_reported
from sluice_protocol.threads import limit_threads

__all__ = [
    'PROTOCOL',
    'REPORT_NAME',
    'Component',
    'ComponentError',
    'FileDigest',
    'GoldenSet',
    'ModelDescription',
    'Outcome',
    'Prediction',
    'Slice',
    'StepArguments',
    'file_digest',
    'folder_digests',
    'limit_threads',
    'model_digest',
    'parse_step_arguments',
    'redact_urls',
    'run_component',
    'run_reported',
    'write_archive',
]
