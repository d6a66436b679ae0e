"""Publishing with the pod's own identity: the signature against a published example of its algorithm's parts, and what is refused."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from blob_store import Store
from sluice_protocol import ComponentError
from sluice_transfer.aws import Session, assume_role, sign_put
from sluice_transfer.main import main
from sluice_transfer.settings import Patience
from transfers import QUICK, error_of

ENVIRONMENT = {'AWS_REGION': 'eu-central-1'}
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SHA = 'a' * 64


def test_one_put_of_one_content_is_signed() -> None:
    put = sign_put(f's3://models/models/{SHA}/model.tar.gz', SHA, Session('AKID', 'secret', 'session'), AT, ENVIRONMENT)
    other = sign_put(f's3://models/models/{SHA}/model.tar.gz', 'b' * 64, Session('AKID', 'secret', 'session'), AT, ENVIRONMENT)

    assert put.url == f'https://models.s3.eu-central-1.amazonaws.com/models/{SHA}/model.tar.gz'
    assert (put.headers['if-none-match'], put.headers['x-amz-content-sha256'], put.headers['x-amz-date']) == ('*', SHA, '20261122T120000Z')
    assert put.headers['authorization'].startswith(
        'AWS4-HMAC-SHA256 Credential=AKID/20261122/eu-central-1/s3/aws4_request, '
        'SignedHeaders=content-type;host;if-none-match;x-amz-checksum-sha256;x-amz-content-sha256;x-amz-date;x-amz-meta-sha256;'
        'x-amz-security-token, Signature='
    )
    assert put.headers['authorization'] != other.headers['authorization']


def test_a_session_is_not_shown() -> None:
    assert 'secret' not in repr(Session('AKID', 'secret', 'session'))


@pytest.mark.parametrize('url', ['s3://models', 's3://Models/x', 's3://models/../x', 's3://models/a b', 's3://models//x', 's3://m/x'])
def test_addresses_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(ComponentError, match='s3://bucket/key'):
        sign_put(url, SHA, Session('AKID', 'secret', 'session'), AT, ENVIRONMENT)


def test_a_pod_without_identity_sends_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('AWS_ROLE_ARN', 'AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_REGION'):
        monkeypatch.delenv(name, raising=False)
    archive = tmp_path / 'a'
    archive.write_bytes(b'x')
    sha256 = '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881'

    call = ['publish', '--archive', str(archive), '--url', 's3://models/x', '--sha256', sha256, '--out', str(tmp_path / 'out')]
    assert main([*call, *QUICK]) == 1
    assert error_of(tmp_path / 'out')[0] == 'aws-identity'
    assert 'AWS_ROLE_ARN' in error_of(tmp_path / 'out')[1]


def test_a_token_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, 'AWS_ROLE_ARN': 'arn', 'AWS_WEB_IDENTITY_TOKEN_FILE': str(tmp_path / 'none')}
    with pytest.raises(ComponentError, match='FileNotFoundError'):
        assume_role(Patience(), environment)
