"""Signing for S3, against the examples of Amazon's documentation."""

from __future__ import annotations

import pytest

from daytona.protocols import sigv4
from daytona.protocols.sigv4 import Credentials, SignedRequest

EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
HOST = "examplebucket.s3.amazonaws.com"
MOMENT = "20130524T000000Z"


def _signature(method: str, path: str, query: str = "", body: bytes = b"", **headers: str) -> str:
    fields = sigv4.signed_headers(
        EXAMPLE,
        region="us-east-1",
        timestamp=MOMENT,
        method=method,
        host=HOST,
        path=sigv4.encode_path(path),
        query=query,
        payload_hash=sigv4.payload_hash(body),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
    return fields["authorization"].rpartition("Signature=")[2]


def test_a_get_is_signed_as_documented() -> None:
    wanted = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    assert _signature("GET", "/test.txt", range="bytes=0-9") == wanted


def test_a_put_is_signed_as_documented() -> None:
    found = _signature(
        "PUT",
        "/test$file.text",
        body=b"Welcome to Amazon S3.",
        date="Fri, 24 May 2013 00:00:00 GMT",
        x_amz_storage_class="REDUCED_REDUNDANCY",
    )
    assert found == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"


def test_a_parameter_without_value_is_signed_as_documented() -> None:
    wanted = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    assert _signature("GET", "/", "lifecycle") == wanted
    assert _signature("GET", "/", "lifecycle=") == wanted


def test_the_order_of_the_query_does_not_matter() -> None:
    wanted = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    assert _signature("GET", "/", "max-keys=2&prefix=J") == wanted
    assert _signature("GET", "/", "prefix=J&max-keys=2") == wanted


def test_an_address_is_signed_as_documented() -> None:
    query = sigv4.presigned_query(
        EXAMPLE,
        region="us-east-1",
        timestamp=MOMENT,
        method="GET",
        host=HOST,
        path="/test.txt",
        expires=86400,
    )
    wanted = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    assert query.endswith(f"&X-Amz-Signature={wanted}")


@pytest.mark.parametrize("token", [None, "a token/with+signs="])
def test_a_server_finds_what_a_client_claims(token: str | None) -> None:
    credentials = EXAMPLE._replace(session_token=token)
    headers = sigv4.signed_headers(
        credentials, region="r", timestamp=MOMENT, method="GET", host=HOST, path="/k", query="a=b"
    )
    claim = sigv4.claim_of("a=b", headers)
    assert claim is not None
    assert (claim.access_key, claim.region, claim.session_token) == (credentials.access_key, "r", token)
    signed = {name: {**headers, "host": HOST}[name] for name in claim.signed}
    request = SignedRequest("GET", "/k", "a=b", signed, sigv4.EMPTY_HASH)
    assert sigv4.signature(credentials.secret, "r", MOMENT, request) == claim.signature


@pytest.mark.parametrize("token", [None, "a token/with+signs="])
def test_a_server_finds_what_an_address_claims(token: str | None) -> None:
    credentials = EXAMPLE._replace(session_token=token)
    query = sigv4.presigned_query(
        credentials, region="r", timestamp=MOMENT, method="PUT", host=HOST, path="/k", expires=60
    )
    claim = sigv4.claim_of(query, {})
    assert claim is not None
    assert (claim.expires, claim.session_token, claim.signed) == (60, token, ("host",))
    request = SignedRequest("PUT", "/k", query, {"host": HOST}, sigv4.UNSIGNED)
    assert sigv4.signature(credentials.secret, "r", MOMENT, request) == claim.signature


def test_an_ordinary_request_claims_nothing() -> None:
    assert sigv4.claim_of("a=b", {"authorization": "Bearer x"}) is None


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", {}),
        (("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=x&X-Amz-Date=d&X-Amz-SignedHeaders=host"
         "&X-Amz-Signature=s&X-Amz-Expires=soon"), {}),
        ("", {"authorization": "AWS4-HMAC-SHA256 Credential=x"}),
        ("", {"authorization": "AWS4-HMAC-SHA256 nothing", "x-amz-date": MOMENT}),
        ("", {"authorization": "AWS4-HMAC-SHA256 Credential=a/20130523/r/s3/aws4_request,"
                               "SignedHeaders=host,Signature=s", "x-amz-date": MOMENT}),
    ],
)  # fmt: skip
def test_a_garbled_claim_is_refused(query: str, headers: dict[str, str]) -> None:
    with pytest.raises(sigv4.SigV4Error):
        sigv4.claim_of(query, headers)


def test_names_in_a_query_are_sorted_before_their_values() -> None:
    wanted = "63b55109714f0092b5e785a1b8efd30fa6b80fcb5efdbb29eca5b08b3ea8c21c"  # botocore's
    assert (
        _signature("GET", "/", query="a%20b=2&a=1") == _signature("GET", "/", query="a=1&a%20b=2") == wanted
    )
