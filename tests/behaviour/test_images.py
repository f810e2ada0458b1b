"""Images: every step of a Dockerfile is done, its output is seen as it comes, and nothing is left out in silence."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from daytona import CreateSandboxFromImageParams, DaytonaError, Image
from daytona.services import _substitutes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.local.platform_process import Platform


def params(image: Any, **more: Any) -> CreateSandboxFromImageParams:
    return CreateSandboxFromImageParams(image=image, **more)


def written(tmp_path: Path, text: str) -> Image:
    """Return the image of a Dockerfile whose context is *tmp_path*."""
    (tmp_path / "Dockerfile").write_text(text)
    return Image.from_dockerfile(tmp_path / "Dockerfile")


async def test_every_step_is_done(connect: Callable[[], Any], tmp_path: Path, unique: str) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("print('from the context')")
    (tmp_path / "run.sh").write_text(f"#!/bin/sh\necho {unique}\n")
    (tmp_path / "run.sh").chmod(0o755)
    image = written(
        tmp_path,
        f"ARG BASE=debian:12\nFROM $BASE\nARG COLOR=blue\nENV GREETING='hello  world' SHADE=$COLOR\n"
        f"WORKDIR /srv/{unique}\nRUN echo $GREETING > said && pwd >> said\n"
        "COPY app code\nCOPY run.sh /usr/local/bin/run-it\n"
        'RUN ["sh", "-c", "run-it > ran"]\nLABEL a=b\nCMD ["sleep", "1"]\n',
    )
    async with connect() as daytona, await daytona.create(params(image)) as sandbox:
        answer = await sandbox.process.exec("pwd; cat said ran; ls code; echo $GREETING $SHADE; run-it")
        assert answer.result == (
            f"/srv/{unique}\nhello world\n/srv/{unique}\n{unique}\nmain.py\nhello world blue\n{unique}\n"
        )
        assert sandbox.labels["daytona.local/image"] == "$BASE"
        assert sandbox.labels["daytona.local/base"].startswith("host: ")
        assert await sandbox.get_work_dir() == f"/srv/{unique}"


async def test_what_a_build_prints_is_told_line_by_line(connect: Callable[[], Any], unique: str) -> None:
    image = Image.base("debian:12").run_commands(
        f"echo {unique}; printf 'a\\342'; sleep 0.2; printf '\\230\\203b\\nc'"
    )
    lines: list[str] = []
    async with (
        connect() as daytona,
        await daytona.create(params(image), on_snapshot_create_logs=lines.append),
    ):
        pass
    begin = lines.index(unique)
    assert "FROM debian:12" in lines[:2]  # before it, an ordinary user is told what builds cannot do
    assert "WARNING: debian:12 is this machine's own system here" in lines
    assert lines[begin : begin + 3] == [unique, "a☃b", "c"]


@pytest.mark.parametrize("name", ["debian:12.9", "python:3.4-slim"])
async def test_no_image_is_another_one_in_silence(
    connect: Callable[[], Any], caplog: pytest.LogCaptureFixture, unique: str, name: str
) -> None:
    """The log of the build, the labels and a warning tell of it, also when the image was built before."""
    image = Image.base(name).run_commands(f"echo {unique}")
    difference = f"{name} is this machine's own system here"
    for build in ("first", "again"):
        _substitutes._warn.cache_clear()
        caplog.clear()
        lines: list[str] = []
        async with (
            connect() as daytona,
            await daytona.create(params(image), on_snapshot_create_logs=lines.append) as sandbox,
        ):
            substitute = sandbox.labels["daytona.local/substitute"]
            assert substitute.startswith(difference)
            assert ("not 3.4" in substitute) == (name != "debian:12.9")
            assert sandbox.labels["daytona.local/image"] == name
            assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
                f"not the image that was named: {substitute}"
            ]
        assert (f"WARNING: {difference}" in lines) == (build == "first")


async def test_what_is_the_image_that_was_named_is_told_to_nobody(
    connect: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with connect() as daytona, await daytona.create(params("host")) as sandbox:
        assert "daytona.local/substitute" not in sandbox.labels
    assert "not the image" not in caplog.text


async def test_a_step_that_fails_fails_the_build_with_its_output(
    connect: Callable[[], Any], unique: str
) -> None:
    image = Image.base("debian:12").run_commands(f"echo not shown {unique}", f"echo why {unique}; exit 7")
    lines: list[str] = []
    async with connect() as daytona:
        with pytest.raises(DaytonaError, match=f"exit code 7\nwhy {unique}") as caught:
            await daytona.create(params(image, name=unique), on_snapshot_create_logs=lines.append)
        assert "not shown" not in str(caught.value)
        sandbox = await daytona.get(unique)
        assert sandbox.state == "build_failed"
        await sandbox.delete()
    assert f"why {unique}" in lines
    assert any(line.startswith("ERROR: ") for line in lines)


async def test_a_step_that_was_done_is_not_done_again(connect: Callable[[], Any], unique: str) -> None:
    first = Image.base("debian:12").run_commands(
        f"echo {unique}; head -c 9 /dev/urandom | base64 > /srv/random"
    )
    async with connect() as daytona:
        async with await daytona.create(params(first)) as sandbox:
            random = (await sandbox.process.exec("cat /srv/random")).result
        lines: list[str] = []
        more = first.copy().run_commands("echo another")
        async with await daytona.create(params(more), on_snapshot_create_logs=lines.append) as sandbox:
            assert (await sandbox.process.exec("cat /srv/random")).result == random
    assert lines[lines.index("another") - 2] == "cached"


async def test_a_changed_file_is_copied_again(
    connect: Callable[[], Any], tmp_path: Path, unique: str
) -> None:
    async with connect() as daytona:
        for content in (f"one {unique}", f"two {unique}"):
            (tmp_path / "file").write_text(content)
            image = written(tmp_path, "FROM debian:12\nCOPY file /srv/\n")
            async with await daytona.create(params(image)) as sandbox:
                assert (await sandbox.process.exec("cat /srv/file")).result == content


async def test_stages_hand_files_on_and_leave_the_rest(
    connect: Callable[[], Any], tmp_path: Path, unique: str
) -> None:
    image = written(
        tmp_path,
        "FROM debian:12 AS never\nRUN exit 1\n"
        f"FROM debian:12 AS build\nRUN mkdir /out && echo {unique} > /out/made && touch /srv/left\n"
        "FROM host\nCOPY --from=build /out/made /srv/renamed\nCOPY --from=1 /out /srv/all/\n",
    )
    async with connect() as daytona, await daytona.create(params(image)) as sandbox:
        answer = await sandbox.process.exec("cat /srv/renamed /srv/all/made; ls /srv")
        assert answer.result == f"{unique}\n{unique}\nall\nrenamed\n"


async def test_python_images_have_a_pip_that_installs(
    connect: Callable[[], Any], tmp_path: Path, unique: str
) -> None:
    wheel = tmp_path / "tiny_daytona-1.0-py3-none-any.whl"
    _write_wheel(wheel, unique)
    image = Image.base("python:3.12-slim").add_local_file(str(wheel), f"/srv/{wheel.name}")
    image.run_commands(f"python -m pip install --no-index /srv/{wheel.name} && pip --version")
    async with connect() as daytona, await daytona.create(params(image)) as sandbox:
        answer = await sandbox.process.exec("python -c 'import tiny_daytona; print(tiny_daytona.word)'")
        assert answer.result == f"{unique}\n"
        assert (
            await sandbox.process.code_run("import tiny_daytona; print(tiny_daytona.word)")
        ).result == f"{unique}\n"


@pytest.mark.faces("asyncio")
async def test_numpy_is_installed_from_the_index_of_this_machine(connect: Callable[[], Any]) -> None:
    image = Image.debian_slim("3.12").pip_install("numpy")
    async with connect() as daytona, await daytona.create(params(image), timeout=300) as sandbox:
        answer = await sandbox.process.code_run("import numpy; print(numpy.arange(4).sum())")
        assert answer.result == "6\n"


async def test_a_name_that_means_nothing_is_an_error_that_says_where_it_was_looked_for(
    connect: Callable[[], Any], unique: str
) -> None:
    async with connect() as daytona:
        with pytest.raises(DaytonaError, match="daytona local image") as caught:
            await daytona.create(params("no-such-image:1.0", name=unique))
        for place in ("local table", "oci:DIR", "host", "registry", "aliases"):
            assert place in str(caught.value)
        await (await daytona.get(unique)).delete()


async def test_losing_the_log_loses_nothing_else(
    connect: Callable[[], Any], platform: Platform, unique: str
) -> None:
    """The log's file is gone before anybody reads it; the sandbox is made all the same."""
    image = Image.base("debian:12").run_commands(f"echo {unique}; sleep 0.2; echo more")

    def broken(_line: str) -> None:
        for file in (platform.paths.data / "build-logs").glob("*.log"):
            file.unlink()

    async with (
        connect() as daytona,
        await daytona.create(params(image), on_snapshot_create_logs=broken) as sandbox,
    ):
        assert (await sandbox.process.exec("echo runs")).result == "runs\n"


def _write_wheel(file: Path, word: str) -> None:
    info = "tiny_daytona-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr("tiny_daytona.py", f"word = {word!r}\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny_daytona\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{info}/RECORD", "")
