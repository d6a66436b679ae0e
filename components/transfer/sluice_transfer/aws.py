"""An upload to S3 without a key: the pod's projected token becomes a session of one role, and the session signs one PUT.

AssumeRoleWithWebIdentity and Signature Version 4 by the standard library; the variables are those of AWS's own SDKs
(facts/sagemaker.md §3, §4).
"""

import base64
import hashlib
import hmac
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from sluice_protocol import ComponentError
from sluice_transfer.http import exchange, refusal, retrying
from sluice_transfer.settings import Patience

NEEDED = ('AWS_ROLE_ARN', 'AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_REGION')
_ADDRESS = re.compile(r's3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>[A-Za-z0-9][A-Za-z0-9._=+/-]{0,900})')
_SESSION_SECONDS = 3600
_MAX_ANSWER = 64 * 1024


@dataclass(frozen=True)
class Session:
    """Credentials of one role for an hour at most; `repr` shows none of it."""

    key: str
    secret: str
    token: str

    def __repr__(self) -> str:
        return 'Session(…)'


@dataclass(frozen=True)
class SignedPut:
    """Where an object is put, and the headers that were signed for it."""

    url: str
    headers: Mapping[str, str]


def is_s3(url: str) -> bool:
    """Whether a target is an object of S3 that the pod's own identity may put."""
    return url.startswith('s3://')


def assume_role(patience: Patience, environment: Mapping[str, str] = os.environ) -> Session:
    """A session of the pod's role; `aws-identity` where the pod has no identity, `access-refused` where the role does not trust it."""
    missing = [name for name in NEEDED if not environment.get(name)]
    if missing:
        raise ComponentError('aws-identity', f'an s3:// target needs the AWS identity of the pod; not set: {", ".join(missing)}')
    region = environment['AWS_REGION']
    endpoint = environment.get('AWS_ENDPOINT_URL_STS') or f'https://sts.{region}.amazonaws.com'
    form = {
        'Action': 'AssumeRoleWithWebIdentity',
        'Version': '2011-06-15',
        'RoleArn': environment['AWS_ROLE_ARN'],
        'RoleSessionName': 'sluice-publish',
        'DurationSeconds': str(_SESSION_SECONDS),
        'WebIdentityToken': _token(environment['AWS_WEB_IDENTITY_TOKEN_FILE']),
    }
    with tempfile.TemporaryDirectory(prefix='sluice-sts-') as folder:
        body = Path(folder) / 'form'
        body.write_text(urlencode(form), encoding='ascii')
        return retrying(patience, lambda: _ask(f'{endpoint.rstrip("/")}/', body, patience))


def _ask(url: str, body: Path, patience: Patience) -> Session:
    with exchange('POST', url, {'Content-Type': 'application/x-www-form-urlencoded'}, patience, body=body) as response:
        if response.status != 200:
            raise refusal('POST', url, response)
        answer = response.read(_MAX_ANSWER).decode('utf-8', 'replace')
    found = {name: re.search(f'<{name}>([^<]+)</{name}>', answer) for name in ('AccessKeyId', 'SecretAccessKey', 'SessionToken')}
    values = {name: match.group(1) for name, match in found.items() if match}
    if len(values) < len(found):
        raise ComponentError('aws-identity', f'{url} answered without credentials')
    return Session(values['AccessKeyId'], values['SecretAccessKey'], values['SessionToken'])


def _token(path: str) -> str:
    try:
        return Path(path).read_text(encoding='ascii').strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ComponentError('aws-identity', f'the web identity token {path} cannot be read: {type(error).__name__}') from error


def sign_put(
    address: str, sha256: str, session: Session, now: datetime | None = None, environment: Mapping[str, str] = os.environ
) -> SignedPut:
    """One PUT of exactly this content, only where nothing is yet."""
    match = _ADDRESS.fullmatch(address)
    if match is None or '..' in address.split('/'):
        raise ComponentError('url-refused', 'an s3:// target is s3://bucket/key of letters, digits and . _ = + - /')
    region = environment['AWS_REGION']
    own = environment.get('AWS_ENDPOINT_URL_S3')
    path = '/' + quote(match['key'], safe='/-_.~')
    url = f'{own.rstrip("/")}/{match["bucket"]}{path}' if own else f'https://{match["bucket"]}.s3.{region}.amazonaws.com{path}'
    parts = urlsplit(url)
    stamp = (now or datetime.now(UTC)).strftime('%Y%m%dT%H%M%SZ')
    headers = {
        'content-type': 'application/octet-stream',
        'host': parts.netloc,
        'if-none-match': '*',
        # S3 keeps it beside the object, where whoever deploys the model compares it.
        'x-amz-checksum-sha256': base64.b64encode(bytes.fromhex(sha256)).decode('ascii'),
        'x-amz-content-sha256': sha256,
        'x-amz-date': stamp,
        'x-amz-meta-sha256': sha256,
        'x-amz-security-token': session.token,
    }
    names = ';'.join(headers)
    canonical = '\n'.join(['PUT', parts.path, '', *(f'{name}:{value}' for name, value in headers.items()), '', names, sha256])
    scope = f'{stamp[:8]}/{region}/s3/aws4_request'
    text = '\n'.join(['AWS4-HMAC-SHA256', stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f'AWS4{session.secret}'.encode()
    for part in scope.split('/'):
        key = hmac.digest(key, part.encode(), 'sha256')
    signature = hmac.new(key, text.encode(), 'sha256').hexdigest()
    authorization = f'AWS4-HMAC-SHA256 Credential={session.key}/{scope}, SignedHeaders={names}, Signature={signature}'
    return SignedPut(url, {**headers, 'authorization': authorization})
