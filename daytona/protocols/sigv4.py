"""AWS Signature Version 4 for S3, from both sides: what a client sends, and what a server compares it with.

A request is written down in one canonical form (method, path, query, some headers, the hash of the body), and that text
is signed with a key made from the secret, the day, the region and the service. The signature travels in the
`Authorization` header, or in the query of an address that anybody may use until it expires.

Paths are given and signed percent-encoded, once, as S3 wants them. Times are texts like `20130524T000000Z`: nothing
here knows what time it is.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "ALGORITHM",
    "EMPTY_HASH",
    "UNSIGNED",
    "Claim",
    "Credentials",
    "SigV4Error",
    "SignedRequest",
    "claim_of",
    "encode_path",
    "payload_hash",
    "presigned_query",
    "signature",
    "signed_headers",
]

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "s3"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_HASH = hashlib.sha256().hexdigest()

_CREDENTIAL = re.compile(
    r"(?P<access_key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]*)/(?P<service>[^/]+)/aws4_request"
)


class SigV4Error(ValueError):
    """A request claims to be signed, and does not say how."""


class Credentials(NamedTuple):
    """Who signs; short-lived credentials come with a token."""

    access_key: str
    secret: str
    session_token: str | None = None


class SignedRequest(NamedTuple):
    """All of a request that is signed."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """By name in lower case; those that are signed."""
    payload_hash: str


class Claim(NamedTuple):
    """What a request says about its signature."""

    access_key: str
    timestamp: str
    region: str
    signed: tuple[str, ...]
    signature: str
    expires: int | None
    """Seconds after the timestamp; None for a signature in a header, which the clock of the server limits."""
    session_token: str | None


def payload_hash(body: bytes) -> str:
    """Return the hash by which a body is signed."""
    return hashlib.sha256(body).hexdigest()


def encode_path(path: str) -> str:
    """Return *path* percent-encoded as S3 signs it."""
    return quote(path, safe="/-_.~", errors="surrogateescape")


def signed_headers(
    credentials: Credentials,
    *,
    region: str,
    timestamp: str,
    method: str,
    host: str,
    path: str,
    query: str = "",
    payload_hash: str = EMPTY_HASH,
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the header fields that make a request a signed one, *headers* among them.

    Args:
        path: Percent-encoded.
        query: As it will be sent, without its question mark.
        headers: More fields to send, which are signed too; `host` need not be among them.
    """
    added = {name.lower(): value for name, value in (headers or {}).items()}
    added |= {"x-amz-content-sha256": payload_hash, "x-amz-date": timestamp}
    if credentials.session_token:
        added["x-amz-security-token"] = credentials.session_token
    request = SignedRequest(method, path, query, {**added, "host": host}, payload_hash)
    names = ";".join(sorted(request.headers))
    signed = signature(credentials.secret, region, timestamp, request)
    scope = _scope(timestamp, region)
    value = (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope},SignedHeaders={names},Signature={signed}"
    )
    return {**added, "authorization": value}


def presigned_query(
    credentials: Credentials,
    *,
    region: str,
    timestamp: str,
    method: str,
    host: str,
    path: str,
    expires: int,
) -> str:
    """Return the query that lets anybody make this one request for *expires* seconds."""
    pairs = [
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", f"{credentials.access_key}/{_scope(timestamp, region)}"),
        ("X-Amz-Date", timestamp),
        ("X-Amz-Expires", str(expires)),
        ("X-Amz-SignedHeaders", "host"),
    ]
    if credentials.session_token:
        pairs.append(("X-Amz-Security-Token", credentials.session_token))
    query = _encode_query(pairs)
    request = SignedRequest(method, path, query, {"host": host}, UNSIGNED)
    return f"{query}&X-Amz-Signature={signature(credentials.secret, region, timestamp, request)}"


def claim_of(query: str, headers: Mapping[str, str]) -> Claim | None:
    """Return what a request says about its signature, None when it has none.

    Args:
        query: As it was sent, without its question mark.
        headers: By name in lower case.

    Raises:
        SigV4Error: It says so in a way that cannot be understood.
    """
    fields = {name.lower(): value for name, value in parse_qsl(query, keep_blank_values=True)}
    if "x-amz-algorithm" in fields:
        return _presigned_claim(fields)
    authorization = headers.get("authorization", "")
    if authorization.startswith(ALGORITHM):
        return _header_claim(authorization.removeprefix(ALGORITHM), headers)
    return None


def signature(secret: str, region: str, timestamp: str, request: SignedRequest) -> str:
    """Return the signature of a request."""
    canonical = hashlib.sha256(_canonical(request).encode()).hexdigest()
    text = f"{ALGORITHM}\n{timestamp}\n{_scope(timestamp, region)}\n{canonical}"
    key = f"AWS4{secret}".encode()
    for part in (timestamp[:8], region, SERVICE, "aws4_request"):
        key = _hmac(key, part)
    return _hmac(key, text).hex()


def _canonical(request: SignedRequest) -> str:
    names = sorted(request.headers)
    lines = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names)
    pairs = parse_qsl(request.query, keep_blank_values=True, errors="surrogateescape")
    query = _encode_query(pair for pair in pairs if pair[0].lower() != "x-amz-signature")
    return "\n".join(
        (request.method, request.path or "/", query, lines, ";".join(names), request.payload_hash)
    )


def _encode_query(pairs: Iterable[tuple[str, str]]) -> str:
    # Names are sorted before values: joined ones would sort "a%20b=" before "a=".
    return "&".join(
        f"{name}={value}" for name, value in sorted((_quoted(name), _quoted(value)) for name, value in pairs)
    )


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~", errors="surrogateescape")


def _scope(timestamp: str, region: str) -> str:
    return f"{timestamp[:8]}/{region}/{SERVICE}/aws4_request"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _presigned_claim(fields: Mapping[str, str]) -> Claim:
    try:
        return _claim(
            credential=fields["x-amz-credential"],
            timestamp=fields["x-amz-date"],
            signed=fields["x-amz-signedheaders"],
            given=fields["x-amz-signature"],
            expires=int(fields["x-amz-expires"]),
            session_token=fields.get("x-amz-security-token"),
        )
    except (KeyError, ValueError) as error:
        raise SigV4Error(f"a signed address lacks or garbles {error}") from error


def _header_claim(parameters: str, headers: Mapping[str, str]) -> Claim:
    cut = (part.strip().partition("=") for part in parameters.split(","))
    fields = {name: value for name, _, value in cut}
    try:
        return _claim(
            credential=fields["Credential"],
            timestamp=headers["x-amz-date"],
            signed=fields["SignedHeaders"],
            given=fields["Signature"],
            expires=None,
            session_token=headers.get("x-amz-security-token"),
        )
    except KeyError as error:
        raise SigV4Error(f"a signed request lacks {error}") from error


def _claim(
    *,
    credential: str,
    timestamp: str,
    signed: str,
    given: str,
    expires: int | None,
    session_token: str | None,
) -> Claim:
    scope = _CREDENTIAL.fullmatch(credential)
    if scope is None or scope["service"] != SERVICE or not timestamp.startswith(scope["day"]):
        raise SigV4Error(f"{credential!r} is no credential for {SERVICE} on the day of {timestamp!r}")
    names = tuple(signed.split(";"))
    return Claim(scope["access_key"], timestamp, scope["region"], names, given, expires, session_token)
