"""The command line of transfer: `fetch`, `export` and `publish`, each with a run report where it has an `--out`.

Signed URLs arrive as text and leave in no message.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from sluice_protocol import (
    Component,
    ComponentError,
    FileDigest,
    Outcome,
    UsageParser,
    add_params,
    file_digest,
    find_option,
    load_params,
    parse_json_object,
    refuse_call,
    run_reported,
)
from sluice_transfer import NAME, VERSION
from sluice_transfer.aws import assume_role, is_s3, sign_put
from sluice_transfer.documents import load_document, parse_headers, parse_manifest, parse_sha256, parse_targets
from sluice_transfer.fetch import download, fetch_all
from sluice_transfer.http import public_name, retrying
from sluice_transfer.settings import Patience, parse_patience
from sluice_transfer.upload import export_all, put_file

MAX_ARCHIVE_BYTES = 5 * 1024**3
"""The most that one PUT to S3 may carry."""


def main(argv: Sequence[str]) -> int:
    """Runs one command and returns the exit code of the protocol."""
    component = Component(NAME, VERSION)
    try:
        given = _parser().parse_args(argv)
        params = load_params(given.params, given.params_json)
        patience = parse_patience(params)
        if given.command == 'export' and given.out is not None and given.out.resolve() == given.source.resolve():
            raise ComponentError('usage', '--out of export must not be the --from folder: its run-report.json is what is exported')
    except ComponentError as error:
        return refuse_call(component, error, _report_folder(argv))
    commands: dict[str, Callable[[argparse.Namespace, Patience], Outcome]] = {'fetch': _fetch, 'export': _export, 'publish': _publish}
    return run_reported(component, given.out, params, lambda: commands[given.command](given, patience))


def _report_folder(argv: Sequence[str]) -> Path | None:
    """Where a wrong call may be reported: not in the folder that is exported, whose report is another step's."""
    out, source = find_option(argv, '--out'), find_option(argv, '--from')
    if out is None or (source is not None and Path(source).resolve() == Path(out).resolve()):
        return None
    return Path(out)


def _parser() -> UsageParser:
    parser = UsageParser(prog=NAME, allow_abbrev=False)
    commands = parser.add_subparsers(dest='command', required=True, parser_class=UsageParser)
    fetch = commands.add_parser('fetch', allow_abbrev=False)
    fetch.add_argument('--manifest', required=True, metavar='FILE|JSON')
    fetch.add_argument('--out', required=True, metavar='DIR', type=Path)
    export = commands.add_parser('export', allow_abbrev=False)
    export.add_argument('--from', required=True, metavar='DIR', type=Path, dest='source')
    export.add_argument('--targets', required=True, metavar='FILE|JSON')
    export.add_argument('--out', metavar='DIR', type=Path)
    publish = commands.add_parser('publish', allow_abbrev=False)
    publish.add_argument('--archive', required=True, metavar='URL|FILE')
    publish.add_argument('--url', required=True, metavar='URL')
    publish.add_argument('--headers', default='{}', metavar='JSON')
    publish.add_argument('--sha256', required=True, metavar='HEX')
    publish.add_argument('--out', metavar='DIR', type=Path)
    for command in (fetch, export, publish):
        add_params(command)
    return parser


def _fetch(given: argparse.Namespace, patience: Patience) -> Outcome:
    manifest = parse_manifest(load_document(given.manifest, 'the manifest'))
    files = fetch_all(manifest, given.out, patience)
    return Outcome(metrics=_totals(files), artifacts=files)


def _export(given: argparse.Namespace, patience: Patience) -> Outcome:
    targets = parse_targets(load_document(given.targets, 'the targets'))
    exported = export_all(targets, given.source, patience)
    return Outcome(
        metrics={**_totals([item.file for item in exported]), 'sent': sum(item.how == 'sent' for item in exported)},
        data={'files': [item.to_json() for item in exported]},
    )


def _publish(given: argparse.Namespace, patience: Patience) -> Outcome:
    expected = parse_sha256(given.sha256, '--sha256')
    headers = parse_headers(parse_json_object(given.headers, '--headers'), '--headers')
    with tempfile.TemporaryDirectory(prefix='sluice-publish-') as scratch:
        archive, found = _archive(given.archive, Path(scratch), patience)
        if found != expected:
            raise ComponentError('sha256-mismatch', f'the archive has SHA-256 {found}, not {expected}; nothing was sent')
        size = archive.stat().st_size
        if is_s3(given.url):
            signed = sign_put(given.url, expected, assume_role(patience))
            target, how = given.url, put_file(signed.url, archive, signed.headers, patience)
        else:
            target, how = public_name(given.url), put_file(given.url, archive, headers, patience)
    return Outcome(
        metrics={'bytes': size, 'sent': int(how == 'sent')},
        data={'sha256': expected, 'bytes': size, 'how': how, 'target': target},
    )


def _archive(source: str, scratch: Path, patience: Patience) -> tuple[Path, str]:
    if '://' not in source:
        path = Path(source)
        if not path.is_file():
            raise ComponentError('input-missing', f'--archive {source} is neither a URL nor a file')
        return path, file_digest(path).sha256
    path = scratch / 'archive'
    return path, retrying(patience, lambda: download(source, path, MAX_ARCHIVE_BYTES, patience, exact=False))


def _totals(files: Sequence[FileDigest]) -> dict[str, float]:
    return {'files': len(files), 'bytes': sum(file.bytes for file in files)}
