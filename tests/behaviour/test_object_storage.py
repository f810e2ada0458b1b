"""Build contexts: named by their hash, sent once, as a tar that any program can read."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from daytona import (
    AsyncDaytona,
    AsyncObjectStorage,
    CreateSandboxFromImageParams,
    DaytonaConfig,
    DaytonaError,
    Image,
    ObjectStorage,
)
from daytona.errors import DaytonaTimeoutError, DaytonaValidationError
from daytona.services import object_storage
from daytona.services.build_context import PART_SIZE, BuildContext
from tests.conftest import AwaitBlocking
from tests.wire.stub_server import Recorded, Reply, StubServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daytona.models.files import UploadProgress
    from tests.local.platform_process import Platform


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with something of everything."""
    root = tmp_path / "project"
    (root / "empty").mkdir(parents=True)
    (root / "sub").mkdir()
    (root / "sub" / "b.txt").write_text("b")
    (root / "a.sh").write_text("#!/bin/sh\n")
    (root / "a.sh").chmod(0o755)
    (root / "link").symlink_to("a.sh")
    (root / "ü.txt").write_text("ü" * 90)
    return root


@pytest.fixture
def storage(face: str, platform: Platform) -> Callable[[], Any]:
    """Return a function that makes the store's client of the test's face."""
    access = platform.api("GET", "/object-storage/push-access").json
    kind = ObjectStorage if face == "blocking" else AsyncObjectStorage
    make = partial(
        kind,
        access["storageUrl"],
        access["accessKey"],
        access["secret"],
        access["sessionToken"],
        access["bucket"],
        region=access["region"],
    )
    return lambda: AwaitBlocking(make()) if face == "blocking" else make()


def _stored(platform: Platform, organization: str, digest: str) -> Path:
    return platform.paths.objects / "daytona-volume-builds" / organization / digest / "context.tar"


def _organization(platform: Platform) -> str:
    return str(platform.api("GET", "/object-storage/push-access").json["organizationId"])


# -- The hash ---------------------------------------------------------------------------------------------------------


def test_the_hash_of_a_file_is_the_recorded_one(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("x")
    assert BuildContext(str(tmp_path / "f.txt"), "f.txt").hash() == "570215cd8fec5fa7df6301917853feb3"


def test_the_hash_does_not_depend_on_how_a_tree_came_to_be(tmp_path: Path) -> None:
    names = ["b", "a", "c/d", "c/a"]
    trees = []
    for number, order in enumerate((names, names[::-1])):
        root = tmp_path / str(number)
        for name in order:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(name)
            os.utime(root / name, (number, number))
        trees.append(BuildContext(str(root), "t").hash())
    assert trees[0] == trees[1]


def test_the_hash_tells_trees_apart(tree: Path) -> None:
    seen = {BuildContext(str(tree), "t").hash(), BuildContext(str(tree), "other").hash()}
    (tree / "sub" / "b.txt").write_text("c")
    seen.add(BuildContext(str(tree), "t").hash())
    (tree / "empty").rmdir()
    seen.add(BuildContext(str(tree), "t").hash())
    (tree / "directory-link").symlink_to("sub")
    seen.add(BuildContext(str(tree), "t").hash())
    assert len(seen) == 5


def test_what_is_no_file_is_refused_by_name(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(DaytonaValidationError, match="pipe is neither a file nor a directory"):
        BuildContext(str(tree), "t").hash()


# -- The tar ----------------------------------------------------------------------------------------------------------


def _tar(context: BuildContext) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(b"".join(part.data for part in context.parts())))


def test_the_tar_holds_the_tree_as_it_is(tree: Path, tmp_path: Path) -> None:
    with _tar(BuildContext(str(tree), "/work/project")) as tar:
        assert tar.getnames() == [
            "work/project",
            *(f"work/project/{name}" for name in ("a.sh", "empty", "link", "sub", "sub/b.txt", "ü.txt")),
        ]
        tar.extraction_filter = lambda member, _path: member  # Python before 3.11.4 takes no `filter=`
        tar.extractall(tmp_path / "out")
    out = tmp_path / "out" / "work" / "project"
    assert (out / "a.sh").stat().st_mode & 0o777 == 0o755
    assert (out / "link").readlink().name == "a.sh"
    assert (out / "ü.txt").read_text() == "ü" * 90


def test_a_tar_consists_of_whole_records(tree: Path) -> None:
    assert sum(len(part.data) for part in BuildContext(str(tree), "t").parts()) % 10240 == 0


def test_a_long_name_and_a_large_file_fit(tmp_path: Path) -> None:
    name = "n" * 200
    with (tmp_path / name).open("wb") as file:
        file.truncate(PART_SIZE + 1)
    context = BuildContext(str(tmp_path / name), name)
    sizes = [len(part.data) for part in context.parts()]
    assert (sizes[0], len(sizes)) == (PART_SIZE, 2)
    with _tar(context) as tar:
        assert [(member.name, member.size) for member in tar] == [(name, PART_SIZE + 1)]


def test_a_file_that_shrinks_on_the_way_is_no_success(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"x" * (PART_SIZE + 1))
    parts = BuildContext(str(file), "f").parts()
    next(parts)
    os.truncate(file, 10)
    with pytest.raises(DaytonaError, match="became shorter"):
        list(parts)


# -- Uploads ----------------------------------------------------------------------------------------------------------


async def test_an_upload_is_kept_under_its_hash(
    storage: Callable[[], Any], platform: Platform, tree: Path, face: str
) -> None:
    (tree / "face").write_text(face)
    organization = _organization(platform)
    digest = await storage().upload(str(tree), organization, "project")
    with tarfile.open(_stored(platform, organization, digest)) as tar:
        assert "project/sub/b.txt" in tar.getnames()
    assert digest == BuildContext(str(tree), "project").hash()


async def test_what_is_there_is_not_sent_again(
    storage: Callable[[], Any], platform: Platform, tree: Path
) -> None:
    organization = _organization(platform)
    digest = await storage().upload(str(tree), organization)
    stored = _stored(platform, organization, digest)
    before = stored.stat()
    assert await storage().upload(str(tree), organization) == digest
    assert (stored.stat().st_ino, stored.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_a_large_context_goes_in_parts(
    storage: Callable[[], Any], platform: Platform, tmp_path: Path, face: str
) -> None:
    content = os.urandom(1000) + face.encode() + bytes(2 * PART_SIZE)
    (tmp_path / "large").write_bytes(content)
    organization = _organization(platform)
    digest = await storage().upload(str(tmp_path / "large"), organization, "large")
    with tarfile.open(_stored(platform, organization, digest)) as tar:
        member = tar.extractfile("large")
        assert member is not None
        assert member.read() == content


async def test_a_file_that_is_not_there(storage: Callable[[], Any]) -> None:
    with pytest.raises(FileNotFoundError, match="/nowhere"):
        await storage().upload("/nowhere", "org")


async def test_a_refusal_says_what_it_was_about(storage: Callable[[], Any], tree: Path) -> None:
    with pytest.raises(DaytonaError, match=f"failed while looking for {tree}: ") as caught:
        await storage().upload(str(tree), "somebody-else")
    assert caught.value.status_code == 403


async def test_a_failed_upload_in_parts_is_taken_back(face: str, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(2 * PART_SIZE))
    with StubServer(_store_that_fills_up) as server:
        kind: Any = ObjectStorage if face == "blocking" else AsyncObjectStorage
        made = kind(server.url, "k", "s", "t", region="r")
        store = AwaitBlocking(made) if face == "blocking" else made
        with pytest.raises(DaytonaError, match=r"uploading .*sending part 2: .*SlowDown: the disk is full"):
            await store.upload(str(tmp_path / "large"), "org", "large")
    methods = [(request.method, request.path.rpartition("/")[2]) for request in server.requests]
    assert methods[0] == ("HEAD", "context.tar")
    assert server.requests[-1].method == "DELETE"
    assert server.requests[-1].target.endswith("/context.tar?uploadId=u1")


async def test_a_part_that_is_lost_is_sent_again_and_no_other(face: str, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(2 * PART_SIZE))
    lost: list[str] = []

    def answer(request: Recorded) -> Any:
        if "partNumber=2" in request.target and not lost:
            lost.append(request.target)
            return 503, {}, b""
        if request.method == "POST" and "uploads" not in request.target:
            return 200, {}, b"<CompleteMultipartUploadResult/>"
        return (
            _store_that_fills_up(request)
            if "partNumber=2" not in request.target
            else (200, {"ETag": "e"}, b"")
        )

    seen: list[int] = []
    with StubServer(answer) as server:
        kind: Any = ObjectStorage if face == "blocking" else AsyncObjectStorage
        made = kind(server.url, "k", "s", "t", region="r")
        store = AwaitBlocking(made) if face == "blocking" else made
        await store.upload(
            str(tmp_path / "large"), "org", "large", on_progress=lambda now: seen.append(now.bytes_sent)
        )
    parts = [request for request in server.requests if "partNumber" in request.target]
    numbers = [request.target.partition("partNumber=")[2][0] for request in parts]
    assert numbers == ["1", "2", "2", "3"]
    assert seen == [PART_SIZE, 2 * PART_SIZE, sum(len(parts[at].body) for at in (0, 2, 3))]


def _store_that_fills_up(request: Recorded) -> Any:
    if request.method == "HEAD":
        return 404, {}, b""
    if request.method == "POST":
        return (
            200,
            {},
            b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
        )
    if "partNumber=2" in request.target:
        return 400, {}, b"<Error><Code>SlowDown</Code><Message>the disk is full</Message></Error>"
    return 200, {"ETag": '"e"'}, b""


async def test_a_store_that_does_not_answer_is_given_up(
    face: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_text("x")
    monkeypatch.setattr(object_storage, "PATIENCE", 0.2)
    over = threading.Event()

    def answer(_request: Recorded) -> Reply:
        over.wait(20)
        return 404, {}, b""

    with StubServer(answer) as server:
        kind: Any = ObjectStorage if face == "blocking" else AsyncObjectStorage
        made = kind(server.url, "k", "s", "t", region="r")
        store = AwaitBlocking(made) if face == "blocking" else made
        try:
            with pytest.raises(DaytonaTimeoutError, match="stalled while looking for "):
                await store.upload(str(tmp_path / "f"), "org", "f")
        finally:
            over.set()


async def test_progress_may_be_awaited_and_is_not_told_of_what_is_there(
    storage: Callable[[], Any], platform: Platform, tree: Path, face: str
) -> None:
    (tree / "more").write_text(f"progress {face}")
    seen: list[int] = []

    async def tell(progress: UploadProgress) -> None:
        seen.append(progress.bytes_sent)

    told: Any = (lambda progress: seen.append(progress.bytes_sent)) if face == "blocking" else tell
    organization = _organization(platform)
    for _ in range(2):
        digest = await storage().upload(str(tree), organization, on_progress=told)
    assert seen == [_stored(platform, organization, digest).stat().st_size]


def test_a_hundred_uploads_at_once_come_to_an_end(platform: Platform, tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / str(number)).write_text(f"one of many {number}")
    config = DaytonaConfig(api_key=platform.endpoint.api_key, api_url=platform.endpoint.api_url)

    async def upload_all() -> set[str]:
        digests: set[str] = set()

        async def upload(number: int) -> None:
            digests.add(await daytona.object_storage.upload(str(tmp_path / str(number)), "f"))

        async with AsyncDaytona(config) as daytona, anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(upload, number)
        return digests

    assert len(anyio.run(upload_all)) == 100
    assert anyio.run(upload_all, backend="trio") == {
        BuildContext(str(tmp_path / str(number)), "f").hash() for number in range(100)
    }


class _StoreThatForgets(BaseHTTPRequestHandler):
    """Has nothing, takes the beginning of what it is given, and falls asleep."""

    over = threading.Event()

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_PUT(self) -> None:
        self.rfile.read(100_000)
        self.over.wait(20)
        self.close_connection = True

    def log_message(self, *details: object) -> None:
        pass


async def test_a_store_that_takes_no_more_is_given_up(
    face: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(bytes(PART_SIZE - 20_000))
    monkeypatch.setattr(object_storage, "PATIENCE", 0.5)
    monkeypatch.setattr(_StoreThatForgets, "over", threading.Event())
    with ThreadingHTTPServer(("127.0.0.1", 0), _StoreThatForgets) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        kind: Any = ObjectStorage if face == "blocking" else AsyncObjectStorage
        made = kind(f"http://127.0.0.1:{server.server_port}", "k", "s", "t", region="r")
        store = AwaitBlocking(made) if face == "blocking" else made
        try:
            with pytest.raises(
                DaytonaTimeoutError, match=r"stalled while uploading .*nothing moved for 0\.5 s"
            ):
                await store.upload(str(tmp_path / "f"), "org", "f")
        finally:
            _StoreThatForgets.over.set()
            server.shutdown()
            thread.join()


def test_the_name_in_a_build_is_made_from_the_path() -> None:
    for kind in (ObjectStorage, AsyncObjectStorage):
        assert kind.compute_archive_base_path("/a/./b/../c.txt") == "a/c.txt"
        assert kind.compute_archive_base_path("c.txt") == "c.txt"


# -- Images -----------------------------------------------------------------------------------------------------------


async def test_an_image_brings_its_files_along(
    connect: Callable[[], Any], platform: Platform, tree: Path
) -> None:
    image = (
        Image.base("host").add_local_dir(str(tree), "/project").add_local_file(str(tree / "a.sh"), "/a.sh")
    )
    hashes = [BuildContext(context.source_path, context.archive_path).hash() for context in image.contexts]
    async with connect() as daytona:
        sandbox = await daytona.create(CreateSandboxFromImageParams(image=image))
        try:
            assert list(sandbox.build_info.context_hashes) == hashes
        finally:
            await sandbox.delete()
    for digest in hashes:
        assert tarfile.is_tarfile(_stored(platform, _organization(platform), digest))


async def test_an_image_without_files_asks_for_no_credentials(face: str) -> None:
    from daytona import AsyncDaytona, Daytona, DaytonaConfig

    def answer(request: Recorded) -> Any:
        return 400, {}, b"{}"

    with StubServer(answer) as server:
        config = DaytonaConfig(api_key="KEY", api_url=f"{server.url}/api")
        client: Any = AwaitBlocking(Daytona(config)) if face == "blocking" else AsyncDaytona(config)
        with pytest.raises(DaytonaError):
            await client.create(CreateSandboxFromImageParams(image=Image.base("host")))
        await client.close()
    assert [request.path for request in server.requests] == ["/api/sandbox"]
