"""The object store of a real platform, asked as any S3 client would ask it."""

from __future__ import annotations

import hashlib
import http.client
import re
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest

from daytona.protocols import sigv4
from tests.local.platform_process import Answer

if TYPE_CHECKING:
    from tests.local.platform_process import Platform


class Store:
    """A signing client with the platform's own grant."""

    def __init__(self, platform: Platform) -> None:
        self.access: dict[str, str] = platform.api("GET", "/object-storage/push-access").json
        self.url = urlsplit(self.access["storageUrl"])
        self.bucket = self.access["bucket"]
        self.prefix = self.access["organizationId"]
        self.credentials = sigv4.Credentials(
            self.access["accessKey"], self.access["secret"], self.access["sessionToken"]
        )
        self.directory = platform.paths.objects / self.bucket

    def path(self, key: str) -> str:
        return sigv4.encode_path(
            f"{self.url.path}/{self.bucket}/{key}" if key else f"{self.url.path}/{self.bucket}"
        )

    def ask(
        self,
        method: str,
        key: str = "",
        body: bytes = b"",
        *,
        query: str = "",
        headers: dict[str, str] | None = None,
        credentials: sigv4.Credentials | None = None,
        at: datetime | None = None,
        digest: str | None = None,
    ) -> Answer:
        """Send one signed request."""
        fields = sigv4.signed_headers(
            credentials or self.credentials,
            region=self.access["region"],
            timestamp=_stamp(at),
            method=method,
            host=self.url.netloc,
            path=self.path(key),
            query=query,
            payload_hash=digest or sigv4.payload_hash(body),
            headers=headers,
        )
        return self.send(method, self.path(key) + (f"?{query}" if query else ""), body, fields)

    def address(self, method: str, key: str, *, expires: int = 60, at: datetime | None = None) -> str:
        """Return an address that carries its permission."""
        query = sigv4.presigned_query(
            self.credentials,
            region=self.access["region"],
            timestamp=_stamp(at),
            method=method,
            host=self.url.netloc,
            path=self.path(key),
            expires=expires,
        )
        return f"{self.path(key)}?{query}"

    def send(
        self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """Send one request as it is."""
        connection = http.client.HTTPConnection(self.url.netloc, timeout=30)
        try:
            connection.request(method, target, body or None, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()


def _stamp(at: datetime | None) -> str:
    return (at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")


def _code(answer: Answer) -> str:
    found = re.search(rb"<Code>(.*?)</Code>", answer.body)
    return found[1].decode() if found else ""


@pytest.fixture
def store(platform: Platform) -> Store:
    return Store(platform)


@pytest.fixture
def key(store: Store, request: pytest.FixtureRequest) -> str:
    """A key of this test's own."""
    return f"{store.prefix}/{hashlib.md5(request.node.nodeid.encode()).hexdigest()}/context.tar"


def test_an_object_is_the_file_its_key_names(store: Store, key: str) -> None:
    assert store.ask("HEAD", key).status == 404
    assert store.ask("PUT", key, b"content").status == 200
    assert (store.directory / key).read_bytes() == b"content"
    answer = store.ask("GET", key)
    assert (answer.status, answer.body) == (200, b"content")
    head = store.ask("HEAD", key)
    assert (head.status, head.headers["Content-Length"], head.body) == (200, "7", b"")
    assert head.headers["ETag"] == answer.headers["ETag"]


def test_a_deleted_object_is_gone(store: Store, key: str) -> None:
    store.ask("PUT", key, b"x")
    assert store.ask("DELETE", key).status == 204
    assert store.ask("GET", key).status == 404
    assert store.ask("DELETE", key).status == 204


@pytest.mark.parametrize(
    ("asked", "wanted", "said"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=5-99", b"56789", "bytes 5-9/10"),
    ],
)
def test_a_range_of_an_object(store: Store, key: str, asked: str, wanted: bytes, said: str) -> None:
    store.ask("PUT", key, b"0123456789")
    answer = store.ask("GET", key, headers={"Range": asked})
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (206, wanted, said)


def test_a_range_outside_of_the_object_is_refused(store: Store, key: str) -> None:
    store.ask("PUT", key, b"0123456789")
    answer = store.ask("GET", key, headers={"Range": "bytes=10-"})
    assert (answer.status, _code(answer)) == (416, "InvalidRange")


def test_an_object_in_parts(store: Store, key: str) -> None:
    begun = store.ask("POST", key, query="uploads=")
    upload = re.search(rb"<UploadId>(.*?)</UploadId>", begun.body)
    assert upload
    name = upload[1].decode()
    tags = []
    for number, part in ((2, b"world"), (1, b"hello ")):
        answer = store.ask("PUT", key, part, query=f"partNumber={number}&uploadId={name}")
        tags.append((number, answer.headers["ETag"]))
    assert store.ask("HEAD", key).status == 404
    done = store.ask("POST", key, _completion(sorted(tags)), query=f"uploadId={name}")
    assert (done.status, store.ask("GET", key).body) == (200, b"hello world")
    again = store.ask("POST", key, _completion(sorted(tags)), query=f"uploadId={name}")
    assert (again.status, _code(again)) == (404, "NoSuchUpload")


def _completion(tags: list[tuple[int, str]]) -> bytes:
    parts = (f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>" for number, tag in tags)
    return f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>".encode()


def test_an_aborted_upload_leaves_nothing(store: Store, key: str) -> None:
    begun = store.ask("POST", key, query="uploads=").body
    name = re.findall(rb"<UploadId>(.*?)</UploadId>", begun)[0].decode()
    store.ask("PUT", key, b"x", query=f"partNumber=1&uploadId={name}")
    assert store.ask("DELETE", key, query=f"uploadId={name}").status == 204
    assert store.ask("HEAD", key).status == 404
    assert not (store.directory.parent / ".drafts" / name).exists()


@pytest.mark.parametrize("document", [b"", b"<Part></Part>", _completion([(1, "a"), (1, "b")])])
def test_a_completion_without_sense_is_refused(store: Store, key: str, document: bytes) -> None:
    name = re.findall(rb"<UploadId>(.*?)</UploadId>", store.ask("POST", key, query="uploads=").body)[
        0
    ].decode()
    answer = store.ask("POST", key, document, query=f"uploadId={name}")
    assert (answer.status, _code(answer)) == (400, "MalformedXML")


def test_a_listing_has_pages_and_groups(store: Store) -> None:
    base = f"{store.prefix}/listing"
    for name in ("a", "b/1", "b/2", "c&d"):
        assert store.ask("PUT", f"{base}/{name}", name.encode()).status == 200
    prefix = quote(f"{base}/", safe="")
    whole = store.ask("GET", query=f"list-type=2&prefix={prefix}").body.decode()
    assert re.findall(r"<Key>.*?/listing/(.*?)</Key>", whole) == ["a", "b/1", "b/2", "c&amp;d"]
    grouped = store.ask("GET", query=f"list-type=2&prefix={prefix}&delimiter=%2F&max-keys=2").body.decode()
    assert re.findall(r"<CommonPrefixes><Prefix>.*?/listing/(.+?)</Prefix>", grouped) == ["b/"]
    assert "<IsTruncated>true</IsTruncated>" in grouped
    token = quote(re.findall(r"<NextContinuationToken>(.*?)</", grouped)[0], safe="")
    rest = store.ask(
        "GET", query=f"list-type=2&prefix={prefix}&delimiter=%2F&continuation-token={token}"
    ).body.decode()
    assert re.findall(r"<Key>.*?/listing/(.*?)</Key>", rest) == ["c&amp;d"]


def test_an_address_permits_one_method_on_one_object(store: Store, key: str) -> None:
    assert store.send("PUT", store.address("PUT", key), b"by address").status == 200
    assert store.send("GET", store.address("GET", key)).body == b"by address"
    assert _code(store.send("PUT", store.address("GET", key), b"x")) == "SignatureDoesNotMatch"
    other = store.address("GET", key).replace("context.tar", "other.tar")
    assert _code(store.send("GET", other)) == "SignatureDoesNotMatch"
    late = store.address("GET", key, at=datetime.now(UTC) - timedelta(seconds=61))
    answer = store.send("GET", late)
    assert (answer.status, _code(answer)) == (403, "AccessDenied")


def test_nothing_is_given_without_a_signature(store: Store, platform: Platform, key: str) -> None:
    store.ask("PUT", key, b"x")
    assert store.send("GET", store.path(key)).status == 403
    bearer = {"Authorization": f"Bearer {platform.endpoint.api_key}"}
    assert store.send("GET", store.path(key), headers=bearer).status == 403


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": "x"}, "SignatureDoesNotMatch"),
        ({"access_key": "DTNSOMEBODY"}, "InvalidAccessKeyId"),
        ({"session_token": None}, "InvalidAccessKeyId"),
        ({"session_token": "e30.00"}, "InvalidAccessKeyId"),
    ],
)
def test_wrong_credentials_are_refused(store: Store, key: str, changes: Any, code: str) -> None:
    answer = store.ask("GET", key, credentials=store.credentials._replace(**changes))
    assert (answer.status, _code(answer)) == (403, code)


def test_a_request_from_another_time_is_refused(store: Store, key: str) -> None:
    for away in (timedelta(minutes=-20), timedelta(minutes=20)):
        answer = store.ask("GET", key, at=datetime.now(UTC) + away)
        assert (answer.status, _code(answer)) == (403, "RequestTimeTooSkewed")


def test_a_grant_ends_at_its_prefix_and_its_bucket(store: Store, platform: Platform) -> None:
    for key in ("elsewhere/x", f"{store.prefix}x/y", "x"):
        assert _code(store.ask("PUT", key, b"x")) == "AccessDenied"
    assert _code(store.ask("GET", query="list-type=2&prefix=")) == "AccessDenied"
    store.bucket = "other"
    assert _code(store.ask("GET", f"{store.prefix}/x")) == "AccessDenied"
    assert not (platform.paths.objects / "other").exists()


@pytest.mark.parametrize("name", ["../../key", "..", ".", "a//b", "a/", "a\0b"])
def test_a_key_cannot_leave_its_directory(store: Store, platform: Platform, name: str) -> None:
    answer = store.ask("PUT", f"{store.prefix}/{name}", b"x")
    assert (answer.status, _code(answer)) == (400, "InvalidArgument")
    assert platform.paths.key_file.read_text() == platform.endpoint.api_key


def test_content_that_is_not_the_announced_one_is_not_kept(store: Store, key: str) -> None:
    answer = store.ask("PUT", key, b"content", digest=sigv4.payload_hash(b"other"))
    assert (answer.status, _code(answer)) == (400, "XAmzContentSHA256Mismatch")
    assert store.ask("HEAD", key).status == 404
    assert store.ask("PUT", key, b"content", digest=sigv4.UNSIGNED).status == 200


def test_half_an_object_is_none(store: Store, key: str) -> None:
    store.ask("PUT", key, b"before")
    whole = b"x" * 100_000
    fields = sigv4.signed_headers(
        store.credentials,
        region=store.access["region"],
        timestamp=_stamp(None),
        method="PUT",
        host=store.url.netloc,
        path=store.path(key),
        query="",
        payload_hash=sigv4.payload_hash(whole),
    )
    connection = http.client.HTTPConnection(store.url.netloc, timeout=30)
    connection.putrequest("PUT", store.path(key))
    for name, value in {**fields, "Content-Length": str(len(whole))}.items():
        connection.putheader(name, value)
    connection.endheaders(whole[:50_000])
    connection.sock.shutdown(socket.SHUT_WR)
    assert connection.getresponse().status == 400
    connection.close()
    assert store.ask("GET", key).body == b"before"


def test_what_is_not_understood_is_said_to_be(store: Store, key: str) -> None:
    streaming = store.ask("PUT", key, b"x", digest="STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
    assert (streaming.status, _code(streaming)) == (501, "NotImplemented")
    assert store.ask("PUT", key, headers={"x-amz-copy-source": "/a/b"}).status == 501
    assert store.ask("GET", query=f"prefix={store.prefix}%2F").status == 501


def test_an_object_cannot_lie_below_another_one(store: Store) -> None:
    assert store.ask("PUT", f"{store.prefix}/file", b"x").status == 200
    assert store.ask("PUT", f"{store.prefix}/file/below", b"x").status == 400
    assert store.ask("PUT", f"{store.prefix}/above/below", b"x").status == 200
    assert store.ask("PUT", f"{store.prefix}/above", b"x").status == 400
