"""Short-lived credentials for the object store: each carries what it permits, under the platform's own signature.

Nothing is kept: the session token says to whom the grant was made, for which bucket, and until when; the secret is made
from the token, so that the platform can tell both of a request it has never heard of.
"""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from daytona.protocols import sigv4

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.web import Request

LIFETIME = 3600.0
SKEW = 900.0
LONGEST_ADDRESS = 7 * 24 * 3600


class RefusedError(Exception):
    """A request to the object store is not permitted; *code* is S3's word for the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class Grant(msgspec.Struct, frozen=True):
    """Everything below *prefix* of *bucket*, until a time in Unix seconds."""

    bucket: str
    prefix: str
    until: float


class Issued(NamedTuple):
    """A grant, as its holder needs it to sign requests."""

    access_key: str
    secret: str
    session_token: str


_decode = msgspec.json.Decoder(Grant).decode


class Grants:
    """Makes grants, and recognizes them in requests."""

    def __init__(self, key: str, region: str, clock: Callable[[], float]) -> None:
        self._key = key.encode()
        self._region = region
        self._clock = clock

    def issue(self, bucket: str, prefix: str) -> Issued:
        """Return credentials for everything below *prefix* of *bucket*."""
        grant = Grant(bucket, prefix, self._clock() + LIFETIME)
        body = base64.urlsafe_b64encode(msgspec.json.encode(grant)).decode()
        token = f"{body}.{self._mac('token', body)}"
        return Issued(self._access_key(token), self._mac("secret", token), token)

    def of(self, request: Request) -> Grant:
        """Return the grant by which *request* is signed.

        Raises:
            RefusedError: It is not signed, badly signed, too old, or by nobody we know.
        """
        claim = _claim(request)
        grant = self._recognized(claim)
        self._check_time(claim, grant)
        signed = {name: ",".join(request.headers.all(name)).strip() for name in claim.signed}
        path = sigv4.encode_path(request.path)
        content = _announced(request, claim)
        canonical = sigv4.SignedRequest(request.method, path, request.query_string, signed, content)
        secret = self._mac("secret", claim.session_token or "")
        expected = sigv4.signature(secret, self._region, claim.timestamp, canonical)
        if "host" not in claim.signed or not hmac.compare_digest(expected, claim.signature):
            raise RefusedError("SignatureDoesNotMatch", "the signature does not fit the request")
        return grant

    def _recognized(self, claim: sigv4.Claim) -> Grant:
        body, _, mac = (claim.session_token or "").partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac("token", body).encode()):
            raise RefusedError("InvalidAccessKeyId", "the credentials are not from this platform")
        if claim.access_key != self._access_key(claim.session_token or ""):
            raise RefusedError("InvalidAccessKeyId", "the access key is that of another session")
        if claim.region != self._region:
            raise RefusedError("AuthorizationHeaderMalformed", f"the region is {self._region!r}")
        return _decode(base64.urlsafe_b64decode(body))

    def _check_time(self, claim: sigv4.Claim, grant: Grant) -> None:
        now, signed_at = self._clock(), _seconds(claim.timestamp)
        if now > grant.until:
            raise RefusedError("ExpiredToken", "the credentials have expired; ask for new ones")
        if signed_at > now + SKEW:
            raise RefusedError("RequestTimeTooSkewed", "the clocks differ by more than a quarter of an hour")
        if claim.expires is None and signed_at < now - SKEW:
            raise RefusedError("RequestTimeTooSkewed", "the clocks differ by more than a quarter of an hour")
        if claim.expires is not None and not 0 < claim.expires <= LONGEST_ADDRESS:
            raise RefusedError("AuthorizationQueryParametersError", "an address is good for up to a week")
        if claim.expires is not None and now > signed_at + claim.expires:
            raise RefusedError("AccessDenied", "the address has expired")

    def _access_key(self, token: str) -> str:
        return f"DTN{self._mac('access key', token)[:17].upper()}"

    def _mac(self, purpose: str, text: str) -> str:
        return hmac.digest(self._key, f"object storage {purpose}\n{text}".encode(), "sha256").hex()


def _claim(request: Request) -> sigv4.Claim:
    try:
        claim = sigv4.claim_of(request.query_string, dict(reversed(request.headers.items())))
    except sigv4.SigV4Error as error:
        raise RefusedError("AuthorizationHeaderMalformed", str(error)) from error
    if claim is None:
        raise RefusedError("AccessDenied", "the request is not signed")
    return claim


def _announced(request: Request, claim: sigv4.Claim) -> str:
    if claim.expires is not None:
        return sigv4.UNSIGNED
    return request.headers.get("x-amz-content-sha256") or sigv4.EMPTY_HASH


def _seconds(timestamp: str) -> float:
    try:
        return datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise RefusedError("AccessDenied", f"{timestamp!r} is no time") from error
