"""Where images come from: registries, files and aliases, in this order, and never something else in silence."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import stat
import tarfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

import pytest

from daytona_plugins.local.images import imports, registry as registry_of_images
from daytona_plugins.local.images.layers import Layers
from daytona_plugins.local.images.log import BuildLog
from daytona_plugins.local.images.logins import KIND, Login, find_login
from daytona_plugins.local.images.registry import PullError, parse_reference, pull
from daytona_plugins.local.images.resolve import NotCachedError, ResolveError, Resolver
from daytona_plugins.local.images.table import ImageTable, alias_of, normal_name
from daytona_plugins.local.images.unpack import ArchiveError
from daytona_plugins.local.paths import Paths
from tests.local.docker_registry import PASSWORD, USER, docker_registry, zstd
from tests.local.registry_server import Files, Registry, layer_tar, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE: Files = {
    "etc": None,
    "etc/name": b"base",
    "bin/tool": b"#!",
    "lib": "usr/lib",
    "old/x": b"x",
    "old/y": b"y",
}
CHANGE: Files = {"etc/name": b"changed", "bin/.wh.tool": b"", "old/.wh..wh..opq": b"", "old/z": b"z"}

MISSING_PACKAGES = [package for package in ("docker-registry", "zstd") if shutil.which(package) is None]


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as running:
        yield running


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    made = Layers(Paths(tmp_path / "data", tmp_path / "run"))
    made.open()
    return made


@pytest.fixture
def table(tmp_path: Path) -> ImageTable:
    return ImageTable(Paths(tmp_path / "data", tmp_path / "run"))


async def resolved(layers: Layers, table: ImageTable, name: str, tmp_path: Path) -> tuple[Any, str]:
    log = BuildLog(tmp_path / "log")
    try:
        return await Resolver(layers, table).resolve(name, log), log.file.read_text()
    finally:
        log.close()


def files_of(layers: Layers, name: str) -> Path:
    return Path(layers.paths_of([name])[0]) / "root" / "files"


@pytest.mark.parametrize("token", ["", "secret"])
def test_an_image_is_pulled_with_every_digest_checked(registry: Registry, layers: Layers, token: str) -> None:
    registry.token = token
    digest = registry.add_image("1.0", [BASE, CHANGE], Env=["A=b=c"], WorkingDir="/w", Cmd=["x"])
    name = f"{registry.address.removeprefix('http://')}/team/app"
    image = pull(f"{name}:1.0", layers)
    assert (image.base, image.config.env, image.config.workdir, image.config.cmd) == (
        "none",
        {"A": "b=c"},
        "/w",
        ("x",),
    )
    assert digest in image.resolved
    below, above = (files_of(layers, layer) for layer in image.layers)
    assert (below / "etc/name").read_bytes() == b"base"
    assert os.readlink(below / "lib") == "usr/lib"
    assert stat.S_ISCHR((above / "bin/tool").lstat().st_mode)
    assert os.getxattr(above / "old", "user.overlay.opaque") == b"y"
    asked = len(registry.asked)
    assert pull(f"{name}@{digest}", layers).layers == image.layers
    assert not any("/blobs/" in path for path in registry.asked[asked:] if path.endswith(tuple(image.layers)))


@pytest.mark.skipif(bool(MISSING_PACKAGES), reason=f"needs the Debian packages {' '.join(MISSING_PACKAGES)}")
@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
def test_debians_registry_is_understood(layers: Layers, tmp_path: Path, private: bool) -> None:
    with docker_registry(tmp_path, private=private) as registry:
        packed = [(gzip.compress(layer_tar(BASE)), "gzip"), zstd(CHANGE)]
        digest = registry.push("team/app", "1.0", packed, Env=["A=b"], OnBuild=["RUN x"], StopSignal="INT")
        name = f"{registry.host}/team/app"

        def login(address: str) -> Login | None:
            assert address == f"http://{registry.host}"
            return Login(USER, PASSWORD) if private else None

        image = pull(f"{name}:1.0", layers, login=login)
        assert pull(f"{name}@{digest}", layers, login=login).layers == image.layers
        assert (image.config.env, image.config.triggers) == ({"A": "b"}, ("RUN x",))
        below, above = (files_of(layers, layer) for layer in image.layers)
        assert (below / "etc/name").read_bytes() == b"base"
        assert (above / "etc/name").read_bytes() == b"changed"
        with pytest.raises(PullError, match="404"):
            pull(f"{name}:2.0", layers, login=login)
        if private:
            with pytest.raises(PullError, match=r"401 .*; give this platform a login"):
                pull(f"{name}:1.0", layers)
            with pytest.raises(PullError, match=r"401 .*; it does not let 'nobody' have it"):
                pull(f"{name}:1.0", layers, login=lambda _: Login("nobody", "x"))


def test_a_token_is_asked_for_with_a_name_and_a_password(registry: Registry, layers: Layers) -> None:
    registry.token, registry.wanted = "t", Login("me", "my:own").basic
    registry.add_image("1", [BASE])
    name = f"{registry.address.removeprefix('http://')}/app:1"
    with pytest.raises(PullError, match="401"):
        pull(name, layers)
    assert pull(name, layers, login=lambda _: Login("me", "my:own")).layers


def test_a_password_is_sent_to_nobody_without_tls(registry: Registry, layers: Layers) -> None:
    registry.token, registry.realm = "t", "http://tokens.example/token"
    registry.add_image("1", [BASE])
    with pytest.raises(PullError, match="asks for a password without TLS"):
        pull(f"{registry.address.removeprefix('http://')}/app:1", layers, login=lambda _: Login("a", "b"))


def test_logins_are_those_that_the_platform_was_given(tmp_path: Path) -> None:
    file = tmp_path / "platform.db"
    assert find_login(file, "https://a.example") is None
    with closing(sqlite3.connect(file)) as database:
        assert find_login(file, "https://a.example") is None
        database.execute("CREATE TABLE documents (kind TEXT, id TEXT, document BLOB)")
        for number, (kind, url) in enumerate(
            [("secret", "a.example"), (KIND, "https://a.example/v2/"), (KIND, "docker.io"), (KIND, "b:5000")]
        ):
            document = {"url": url, "username": f"u{number}", "password": "p", "name": "x"}
            database.execute("INSERT INTO documents VALUES (?, ?, ?)", (kind, number, json.dumps(document)))
        database.commit()
    addresses = ["https://a.example", "https://registry-1.docker.io", "http://b:5000/", "https://b"]
    found = [find_login(file, address) for address in addresses]
    assert [login and login.username for login in found] == ["u1", "u2", "u3", None]
    assert "p'" not in repr(found[0])


def test_what_files_have_besides_content(layers: Layers, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind in (("d", tarfile.DIRTYPE), ("d/tool", tarfile.REGTYPE), ("d/same", tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.mtime, member.linkname = kind, 0o4711, 5, "d/tool"
            member.pax_headers = {"SCHILY.xattr.user.word": "yes", "SCHILY.xattr.user.overlay.opaque": "y"}
            archive.addfile(member)
    (layer,) = imports.load(f"archive:{tmp_path / 'x.tar'}", layers).layers
    place = files_of(layers, layer) / "d"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (place, place / "tool")] == [0o4711, 0o4711]
    assert [path.stat().st_mtime for path in (place, place / "tool")] == [5, 5]
    assert (place / "same").stat().st_ino == (place / "tool").stat().st_ino
    assert os.listxattr(place) == os.listxattr(place / "tool") == ["user.word"]


@pytest.mark.parametrize("which", ["index", "manifest", "layer"])
def test_content_that_is_not_what_its_digest_says_is_refused(
    registry: Registry, layers: Layers, which: str
) -> None:
    digest = registry.add_image("1.0", [BASE])
    layer, _config, manifest, index = registry.blobs  # in the order in which they were made
    registry.spoilt = {{"index": index, "manifest": manifest, "layer": layer}[which]}
    with pytest.raises(ArchiveError):
        pull(f"{registry.address.removeprefix('http://')}/app@{digest}", layers)
    assert list(layers.directory.iterdir()) == []


@pytest.mark.parametrize("name", ["/etc/../../x", "../x", "a/../../x"])
def test_a_name_that_leads_out_of_its_layer_is_refused(layers: Layers, tmp_path: Path, name: str) -> None:
    archive = tmp_path / "evil.tar"
    archive.write_bytes(layer_tar({name: b"out"}))
    with pytest.raises(ArchiveError, match="leads out"):
        imports.load(f"archive:{archive}", layers)


def test_a_name_behind_a_link_is_refused(layers: Layers, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = tmp_path / "evil.tar"
    archive.write_bytes(layer_tar({"way": str(outside), "way/file": b"out"}))
    with pytest.raises(ArchiveError, match="behind a link"):
        imports.load(f"archive:{archive}", layers)
    assert list(outside.iterdir()) == []


def test_images_in_files(registry: Registry, layers: Layers, tmp_path: Path) -> None:
    registry.add_image("1.0", [BASE, CHANGE], Env=["A=b"])
    registry.write_layout(tmp_path / "layout", "1.0")
    found = imports.load(f"oci:{tmp_path / 'layout'}", layers)
    assert (len(found.layers), found.config.env) == (2, {"A": "b"})
    with tarfile.open(tmp_path / "layout.tar", "w") as archive:
        archive.add(tmp_path / "layout", ".")
    assert imports.load(f"archive:{tmp_path / 'layout.tar'}", layers).layers == found.layers
    (tmp_path / "tree" / "etc").mkdir(parents=True)
    (tmp_path / "tree" / "etc" / "name").write_text("from a directory")
    (layer,) = imports.load(f"dir:{tmp_path / 'tree'}", layers).layers
    assert (files_of(layers, layer) / "etc" / "name").read_text() == "from a directory"
    assert imports.load(f"dir:{tmp_path / 'tree'}", layers).layers == (layer,)


@pytest.mark.faces("asyncio")
async def test_the_table_comes_before_the_registry(
    registry: Registry, layers: Layers, table: ImageTable, tmp_path: Path
) -> None:
    registry.add_image("12", [BASE])
    table.trust(registry.address)
    image, log = await resolved(layers, table, "debian:12", tmp_path)
    assert (image.base, "pulled debian:12@sha256:" in log) == ("none", True)
    asked = len(registry.asked)
    again, _ = await resolved(layers, table, "docker.io/library/debian:12", tmp_path)
    assert (again, len(registry.asked)) == (image, asked)


@pytest.mark.faces("asyncio")
async def test_a_mirror_without_the_image_is_followed_by_the_aliases(
    registry: Registry, layers: Layers, table: ImageTable, tmp_path: Path
) -> None:
    table.trust(registry.address)
    image, log = await resolved(layers, table, "debian:12.9", tmp_path)
    assert image.base == "host"
    assert "404" in log
    assert "WARNING: debian:12.9 is this machine's own system here" in log


@pytest.mark.faces("asyncio")
async def test_an_alias_of_the_user_comes_before_what_is_built_in(
    layers: Layers, table: ImageTable, tmp_path: Path
) -> None:
    table.alias("team/*", "host")
    table.alias("python:3*", "team/base:1")
    image, log = await resolved(layers, table, "python:3.12", tmp_path)
    assert (image.base, image.layers) == ("host", ())
    assert "python:3.12 is team/base:1 (alias python:3*)" in log
    table.alias("loop:1", "loop:1")
    with pytest.raises(ResolveError, match="leads back"):
        await resolved(layers, table, "loop:1", tmp_path)


@pytest.mark.faces("asyncio")
async def test_what_is_found_nowhere_is_an_error(layers: Layers, table: ImageTable, tmp_path: Path) -> None:
    for name in ("alpine:3.20", "nobody/knows", "oci:/nowhere", "127.0.0.1:1/x:1"):
        with pytest.raises(ResolveError):
            await resolved(layers, table, name, tmp_path)


@pytest.mark.faces("asyncio")
async def test_a_mere_question_pulls_nothing(registry: Registry, layers: Layers, table: ImageTable) -> None:
    registry.add_image("12", [BASE])
    table.trust(registry.address)
    with pytest.raises(NotCachedError):
        await Resolver(layers, table).resolve("debian:12", None)
    assert registry.asked == []


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("debian", ("", "debian", "latest", "")),
        ("team/app:1", ("", "team/app", "1", "")),
        ("localhost/app", ("localhost", "app", "latest", "")),
        ("a.example:5000/b/c:1@sha256:00", ("a.example:5000", "b/c", "1", "sha256:00")),
    ],
)
def test_names_are_taken_apart(name: str, parts: tuple[str, ...]) -> None:
    assert tuple(parse_reference(name)) == parts


@pytest.mark.parametrize("name", ["", "UPPER", "a b", "a//b", "../x"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(PullError):
        parse_reference(name)


def test_names_have_one_spelling(table: ImageTable) -> None:
    assert normal_name("docker.io/library/python") == normal_name("python:latest") == "python:latest"
    assert alias_of("ubuntu:24.04", {}) == ("ubuntu:*", "debian")
    assert alias_of("alpine:3", {}) is None
    table.alias("x:1", "host")
    assert table.remove("x:1")
    assert not table.remove("x:1")


def test_nothing_built_in_stands_in_for_certain_bytes() -> None:
    exact = f"debian:12@sha256:{'0' * 64}"
    assert alias_of(exact, {}) is None
    assert alias_of(exact, {"debian:12@*": "host"}) == ("debian:12@*", "host")


@pytest.mark.parametrize("name", ["docker.io/debian:12", "index.docker.io/library/debian:12"])
def test_docker_hub_answers_elsewhere(layers: Layers, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    asked: list[str] = []

    def unreachable(url: str, _authorization: str) -> None:
        asked.append(url)
        raise URLError("no way there")

    monkeypatch.setattr(registry_of_images, "_request", unreachable)
    with pytest.raises(
        PullError, match=r"the registry https://registry-1\.docker\.io does not answer: no way there"
    ):
        pull(name, layers)
    assert asked == ["https://registry-1.docker.io/v2/library/debian/manifests/12"]


@pytest.mark.faces("asyncio")
async def test_a_registry_that_does_not_answer_is_told_with_what_helps(
    layers: Layers, table: ImageTable, tmp_path: Path, unused_port: int
) -> None:
    expected = r"cannot be pulled: .* does not answer: .*refused.*image import"
    with pytest.raises(ResolveError, match=expected) as caught:
        await resolved(layers, table, f"localhost:{unused_port}/x:1", tmp_path)
    assert "urlopen" not in str(caught.value)
