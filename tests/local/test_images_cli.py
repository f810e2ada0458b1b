"""`daytona local image …`, on its own and as a running platform sees it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from daytona_plugins.local.cli import local
from tests.local.platform_process import Platform, running_platform, short_directory
from tests.local.registry_server import Files, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(local, ["image", *arguments])
    return result.exit_code, result.output


@pytest.fixture(autouse=True)
def own_directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with short_directory() as directory:
        monkeypatch.setenv("DAYTONA_LOCAL_DIR", str(directory))
        yield


def shell() -> Files:
    """A root file system of a shell and the libraries that it needs."""
    linked = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout
    names = ["/bin/sh", *re.findall(r"(/\S+) \(0x", linked)]
    return {name[1:]: Path(name).read_bytes() for name in names}


def test_names_are_given_and_forgotten(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("x")
    assert run("import", "mine:1", str(tmp_path / "tree"))[1].startswith("mine:1 is dir:")
    assert run("alias", "old:*", "mine:1")[0] == 0
    assert run("mirror", "https://registry.example/")[0] == 0
    listed = run("list")[1]
    for part in ("mine:1", "image   host", "mirror  https://registry.example", "alias   old:*", "python:3*"):
        assert part in listed
    for name in ("mine:1", "old:*", "https://registry.example"):
        assert run("remove", name)[0] == 0
        assert run("remove", name)[0] == 1
    assert "mine:1" not in run("list")[1]


def until_started(platform: Platform, sandbox_id: str) -> None:
    for _ in range(2000):
        if (state := platform.api("GET", f"/sandbox/{sandbox_id}").json["state"]) == "started":
            return
    raise AssertionError(state)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "debian:12"), "no registry"),
        (("add", "127.0.0.1:1/x:1"), "the registry http://127.0.0.1:1 does not answer"),
        (("add", "no name"), "'no name' is no name of an image"),
        (("import", "a:1", "/nowhere"), "there is nothing at /nowhere"),
        (("import", "a:1", "dir:here"), "there is nothing at /"),
        (("import", "A b", "/tmp"), "'A b' is no name of an image"),
        (("mirror", "ftp://x"), "a mirror begins with https://"),
        (("remove", "x"), "no image, alias or mirror 'x'"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], words: str) -> None:
    code, output = run(*arguments)
    assert code != 0
    assert "Error: " in output
    assert words in output


def test_a_running_platform_sees_new_names(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_platform() as platform, serving() as registry:
        monkeypatch.setenv("DAYTONA_LOCAL_DIR", str(platform.directory))
        registry.add_image(
            "1", [{**shell(), "etc/name": b"from a registry\n"}], Env=["A=b"], WorkingDir="/etc"
        )
        name = f"{registry.address.removeprefix('http://')}/app:1"
        assert run("add", name)[0] == 0
        assert run("alias", "app:*", name)[0] == 0
        made = platform.create(
            buildInfo={"dockerfileContent": "FROM app:9\nCOPY --from=app:9 /etc/name /copied\n"}
        )
        log = platform.call("GET", f"/sandboxes/{made['id']}/build-logs?follow=true").body.decode()
        assert f"app:9 is {name} (alias app:*)" in log
        until_started(platform, made["id"])
        read = platform.call("GET", f"/toolbox/{made['id']}/files/download?path=/copied")
        assert read.body == b"from a registry\n"
        assert platform.call("GET", f"/toolbox/{made['id']}/work-dir").json == {"dir": "/etc"}
        assert (
            platform.api("GET", f"/sandbox/{made['id']}")
            .json["labels"]["daytona.local/base"]
            .startswith(name)
        )
        command = "read word < name; echo $word, $A; echo made > /made; echo *"
        assert (
            platform.execute(made["id"], command)["result"]
            == "from a registry, b\nhostname hosts name resolv.conf\n"
        )
