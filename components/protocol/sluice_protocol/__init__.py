"""The seam between a training or serving step and Sluice: arguments in, one run report out.

Standard library only, so that it runs in any image; ../README.md holds the authoritative example of a report.
"""

from sluice_protocol.archive import write_archive
from sluice_protocol.arguments import (
    StepArguments,
    UsageParser,
    add_params,
    find_option,
    load_params,
    parse_json_object,
    parse_step_arguments,
    read_text,
)
from sluice_protocol.digest import FileDigest, file_digest, folder_digests, folder_files, model_digest
from sluice_protocol.errors import ComponentError
from sluice_protocol.kubeflow import CLASSIFICATION_METRICS, DATASET, METRICS, MODEL, TypedOutput
from sluice_protocol.params import Number, Parameter, Text, Whole, read_params
from sluice_protocol.redact import redact_urls
from sluice_protocol.report import (
    PROTOCOL,
    REPORT_NAME,
    Cell,
    Component,
    GoldenSet,
    ModelDescription,
    Outcome,
    PredictedValue,
    Prediction,
    Slice,
)
from sluice_protocol.residence import rows_stay
from sluice_protocol.runner import refuse_call, run_component, run_reported
from sluice_protocol.step import Step, step
from sluice_protocol.threads import limit_threads, thread_count

__all__ = [
    'CLASSIFICATION_METRICS',
    'DATASET',
    'METRICS',
    'MODEL',
    'PROTOCOL',
    'REPORT_NAME',
    'Cell',
    'Component',
    'ComponentError',
    'FileDigest',
    'GoldenSet',
    'ModelDescription',
    'Number',
    'Outcome',
    'Parameter',
    'PredictedValue',
    'Prediction',
    'Slice',
    'Step',
    'StepArguments',
    'Text',
    'TypedOutput',
    'UsageParser',
    'Whole',
    'add_params',
    'file_digest',
    'find_option',
    'folder_digests',
    'folder_files',
    'limit_threads',
    'load_params',
    'model_digest',
    'parse_json_object',
    'parse_step_arguments',
    'read_params',
    'read_text',
    'redact_urls',
    'refuse_call',
    'rows_stay',
    'run_component',
    'run_reported',
    'step',
    'thread_count',
    'write_archive',
]
