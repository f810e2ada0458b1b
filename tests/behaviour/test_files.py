"""Files: what is listed, found and changed, and bytes that come back as they went."""

from __future__ import annotations

import hashlib
import os
import resource
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    DaytonaBadRequestError,
    DaytonaConflictError,
    DaytonaError,
    DaytonaFileNotFoundError,
    DaytonaInvalidFilePathError,
    DaytonaNotFoundError,
    DaytonaValidationError,
    FileDownloadRequest,
    FileUpload,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MEBIBYTE = 1024 * 1024
BYTES = bytes(range(256)) * 3 + b"\r\n--boundary\r\n\r\n--"
ODD_NAMES = [
    "plain.txt",
    "two words.txt",
    "größe ☃ 🐍.txt",
    "quote\"d 'n' `ticks`.txt",
    "per%20cent+plus&and=is#hash?question;semi.txt",
    "back\\slash.txt",
    "-dash",
    "$HOME ${x}",
    "line\nbreak.txt",
]

# -- Transfers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_bytes_come_back_whatever_the_name(box: Callable[[], Any], folder: str, name: str) -> None:
    path = f"{folder}/new dir/{name}"
    async with box() as sandbox:
        await sandbox.fs.upload_file(BYTES, path)
        assert await sandbox.fs.download_file(path) == BYTES
        assert (await sandbox.fs.get_file_info(path)).name == name
        assert [entry.name for entry in await sandbox.fs.list_files(f"{folder}/new dir")] == [name]


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n", b"--", b"x" * 65537], ids=len)
async def test_small_contents_are_exact(box: Callable[[], Any], folder: str, content: bytes) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_file(content, f"{folder}/f")
        assert await sandbox.fs.download_file(f"{folder}/f") == content
        assert (await sandbox.fs.get_file_info(f"{folder}/f")).size == len(content)


async def test_an_upload_replaces_what_was_there(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_file(b"a longer first content", f"{folder}/f")
        await sandbox.fs.upload_file(b"short", f"{folder}/f")
        assert await sandbox.fs.download_file(f"{folder}/f", 30) == b"short"


async def test_local_files_go_and_come(box: Callable[[], Any], folder: str, tmp_path: Path) -> None:
    source, copy = tmp_path / "in ☃.bin", tmp_path / "made" / "for it" / "out ☃.bin"
    source.write_bytes(BYTES)
    async with box() as sandbox:
        await sandbox.fs.upload_file(str(source), f"{folder}/f")
        assert await sandbox.fs.download_file(f"{folder}/f", str(copy)) is None
    assert copy.read_bytes() == BYTES
    assert os.listdir(copy.parent) == [copy.name]


async def test_a_missing_local_file_sends_nothing(
    box: Callable[[], Any], folder: str, tmp_path: Path
) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaValidationError, match="absent"):
            await sandbox.fs.upload_file(str(tmp_path / "absent"), f"{folder}/f")
        with pytest.raises(DaytonaNotFoundError):
            await sandbox.fs.get_file_info(folder)


async def test_a_failed_download_leaves_the_old_local_file(
    box: Callable[[], Any], folder: str, tmp_path: Path
) -> None:
    local = tmp_path / "kept"
    local.write_text("as it was")
    async with box() as sandbox:
        with pytest.raises(DaytonaFileNotFoundError) as caught:
            await sandbox.fs.download_file(f"{folder}/absent", str(local))
    assert (caught.value.code, caught.value.status_code) == ("FILE_NOT_FOUND", 404)
    assert str(caught.value).startswith("Failed to download file: ")
    assert caught.value.sandbox_id
    assert (local.read_text(), os.listdir(tmp_path)) == ("as it was", ["kept"])


async def test_a_directory_is_no_file(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.create_folder(folder, "755")
        with pytest.raises(DaytonaInvalidFilePathError):
            await sandbox.fs.download_file(folder)
        with pytest.raises(DaytonaBadRequestError, match="Failed to upload files: ") as caught:
            await sandbox.fs.upload_file(b"x", folder)
        assert caught.value.sandbox_id == sandbox.id


async def test_many_files_go_in_one_call_and_come_in_the_order_asked_for(
    box: Callable[[], Any], folder: str, tmp_path: Path
) -> None:
    local = tmp_path / "local"
    local.write_bytes(b"from a path")
    contents = {f"{folder}/{number}/{name}": name.encode() for number, name in enumerate(ODD_NAMES)}
    uploads = [FileUpload(content, path) for path, content in contents.items()]
    async with box() as sandbox:
        await sandbox.fs.upload_files([*uploads, FileUpload(str(local), f"{folder}/local")])
        wanted = [FileDownloadRequest(path) for path in reversed(contents)]
        wanted += [FileDownloadRequest(f"{folder}/local", str(tmp_path / "x" / "copy")), wanted[0]]
        answers = await sandbox.fs.download_files(wanted)
    assert [answer.source for answer in answers] == [request.source for request in wanted]
    assert [answer.error for answer in answers] == [None] * len(wanted)
    expected = [*reversed(contents.values()), str(tmp_path / "x" / "copy"), next(reversed(contents.values()))]
    assert [answer.result for answer in answers] == expected
    assert (tmp_path / "x" / "copy").read_bytes() == b"from a path"


async def test_each_file_has_its_own_error(box: Callable[[], Any], folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    async with box() as sandbox:
        await sandbox.fs.upload_files([FileUpload(b"one", f"{folder}/1"), FileUpload(b"", f"{folder}/empty")])
        requests = [
            FileDownloadRequest(f"{folder}/1"),
            FileDownloadRequest(f"{folder}/absent"),
            FileDownloadRequest(folder),
            FileDownloadRequest(f"{folder}/empty"),
            FileDownloadRequest(f"{folder}/1", str(tmp_path / "file" / "below")),
        ]
        one, absent, directory, empty, blocked = await sandbox.fs.download_files(requests)
    assert (one.result, empty.result) == (b"one", b"")
    assert (absent.result, absent.error_details.code) == (None, "FILE_NOT_FOUND")
    assert absent.error_details.status_code == 404
    assert directory.error_details.code == "INVALID_FILE_PATH"
    assert blocked.error.startswith("Write failed: ")


async def test_files_that_could_be_written_are(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.create_folder(f"{folder}/dir", "755")
        files = [
            FileUpload(b"1", f"{folder}/1"),
            FileUpload(b"2", f"{folder}/dir"),
            FileUpload(b"3", f"{folder}/3"),
        ]
        with pytest.raises(DaytonaError, match=f"{folder}/dir") as caught:
            await sandbox.fs.upload_files(files)
        assert caught.value.status_code == 400
        answers = await sandbox.fs.download_files([FileDownloadRequest(f"{folder}/{n}") for n in (1, 3)])
        assert [answer.result for answer in answers] == [b"1", b"3"]


async def test_nothing_to_do_asks_nothing(connect: Callable[[], Any]) -> None:
    async with connect() as daytona:
        async with await daytona.create() as sandbox:
            pass
        await sandbox.fs.upload_files([])
        assert await sandbox.fs.download_files([]) == []


async def test_a_big_file_passes_without_filling_the_memory(
    box: Callable[[], Any], folder: str, tmp_path: Path
) -> None:
    source, copy, digest = tmp_path / "big", tmp_path / "copy", hashlib.sha256()
    with source.open("wb") as file:
        for _ in range(64):
            block = os.urandom(MEBIBYTE)
            digest.update(block)
            file.write(block)
    before = _peak_memory()
    async with box() as sandbox:
        await sandbox.fs.upload_file(str(source), f"{folder}/big")
        there = await sandbox.process.exec(f"sha256sum < {folder}/big")
        assert there.result.split()[0] == digest.hexdigest()
        await sandbox.fs.download_file(f"{folder}/big", str(copy))
        await sandbox.fs.delete_file(folder, recursive=True)
    assert _peak_memory() - before < 32 * MEBIBYTE
    assert hashlib.sha256(copy.read_bytes()).digest() == digest.digest()


def _peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# -- What is there ------------------------------------------------------------------------------------------------


async def test_a_directory_lists_its_entries_by_name(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_files(
            [FileUpload(b"12345", f"{folder}/b.txt"), FileUpload(b"", f"{folder}/a/c/d")]
        )
        await sandbox.process.exec("ln -s b.txt link; ln -s nowhere dangling; touch .hidden", cwd=folder)
        entries = await sandbox.fs.list_files(folder)
        assert [entry.name for entry in entries] == [".hidden", "a", "b.txt", "link"]
        assert [entry.is_dir for entry in entries] == [False, True, False, False]
        assert [entry.size for entry in entries if entry.name in ("b.txt", "link")] == [5, 5]
        deep = await sandbox.fs.list_files(folder, depth=3)
        assert {os.path.basename(entry.path or entry.name) for entry in deep} >= {"a", "c", "d", "b.txt"}


async def test_an_empty_directory_lists_nothing(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.create_folder(folder, "700")
        assert await sandbox.fs.list_files(folder) == []
        assert (await sandbox.fs.get_file_info(folder)).permissions == "0700"


async def test_a_file_says_what_it_is(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_file(b"123", f"{folder}/f")
        info = await sandbox.fs.get_file_info(f"{folder}/f")
        assert (info.name, info.size, info.is_dir, info.permissions) == ("f", 3, False, "0644")
        assert info.mode == "-rw-r--r--"
        assert info.modified_at


async def test_folders_are_made_with_their_parents(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.create_folder(f"{folder}/größe ☃/b c", "0750")
        await sandbox.fs.create_folder(f"{folder}/größe ☃/b c", "0750")
        listed = await sandbox.process.exec("stat -c %a%F 'größe ☃/b c'", cwd=folder)
        assert listed.result == "750directory\n"
        with pytest.raises(DaytonaBadRequestError, match="Failed to create folder: "):
            await sandbox.fs.create_folder(f"{folder}/x", "rwx")


async def test_text_is_found_line_by_line(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_file(b"one\ntwo p&q [x]\r\nthree p&q", f"{folder}/sub/a.txt")
        await sandbox.fs.upload_file(b"\0binary p&q", f"{folder}/b.bin")
        found = await sandbox.fs.find_files(folder, "p&q")
        assert [(match.file, match.line, match.content) for match in found] == [
            (f"{folder}/sub/a.txt", 2, "two p&q [x]"),
            (f"{folder}/sub/a.txt", 3, "three p&q"),
        ]
        assert await sandbox.fs.find_files(folder, "[y]") == []


async def test_names_are_searched_by_glob(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_files(
            [FileUpload(b"", f"{folder}/{n}") for n in ("a.py", "b c/d.py", "e.txt")]
        )
        found = await sandbox.fs.search_files(folder, "*.py")
        assert sorted(found.files) == [f"{folder}/a.py", f"{folder}/b c/d.py"]
        assert (await sandbox.fs.search_files(folder, "*.rs")).files == []


async def test_text_is_replaced_and_each_file_reported(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_file("old ☃ old".encode(), f"{folder}/a")
        files = [f"{folder}/a", f"{folder}/absent"]
        done, failed = await sandbox.fs.replace_in_files(files, "old", "new $1 \\0")
        assert (done.file, done.success) == (files[0], True)
        assert (failed.file, failed.success, bool(failed.error)) == (files[1], False, True)
        assert (await sandbox.fs.download_file(files[0])).decode() == "new $1 \\0 ☃ new $1 \\0"


async def test_files_move_and_never_over_others(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_files([FileUpload(b"a", f"{folder}/a"), FileUpload(b"b", f"{folder}/b")])
        await sandbox.fs.move_files(f"{folder}/a", f"{folder}/with a space ☃")
        assert await sandbox.fs.download_file(f"{folder}/with a space ☃") == b"a"
        with pytest.raises(DaytonaConflictError, match="Failed to move files: "):
            await sandbox.fs.move_files(f"{folder}/with a space ☃", f"{folder}/b")
        for source, destination in ((f"{folder}/a", f"{folder}/c"), (f"{folder}/b", f"{folder}/no/dir")):
            with pytest.raises(DaytonaNotFoundError):
                await sandbox.fs.move_files(source, destination)


async def test_permissions_change(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_file(b"#!/bin/sh\necho run", f"{folder}/run.sh")
        user = (await sandbox.process.exec("id -un")).result.strip()
        await sandbox.fs.set_file_permissions(f"{folder}/run.sh", mode="755", owner=user)
        assert (await sandbox.process.exec("./run.sh", cwd=folder)).result == "run\n"
        with pytest.raises(DaytonaBadRequestError):
            await sandbox.fs.set_file_permissions(f"{folder}/run.sh", owner="no-such-user")
        with pytest.raises(DaytonaNotFoundError):
            await sandbox.fs.set_file_permissions(f"{folder}/absent", mode="600")


async def test_deleting_a_directory_has_to_be_meant(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_file(b"", f"{folder}/a b/c")
        with pytest.raises(DaytonaBadRequestError, match="Failed to delete file: "):
            await sandbox.fs.delete_file(folder)
        await sandbox.fs.delete_file(f"{folder}/a b/c")
        await sandbox.fs.delete_file(folder, recursive=True)
        with pytest.raises(DaytonaNotFoundError):
            await sandbox.fs.delete_file(folder)


@pytest.mark.parametrize(
    "call",
    [
        lambda fs, path: fs.list_files(path),
        lambda fs, path: fs.get_file_info(path),
        lambda fs, path: fs.delete_file(path),
        lambda fs, path: fs.move_files(path, f"{path}2"),
        lambda fs, path: fs.set_file_permissions(path, mode="600"),
        lambda fs, path: fs.download_file(path),
    ],
    ids=["list", "info", "delete", "move", "permissions", "download"],
)
async def test_what_is_not_there_is_not_found(
    box: Callable[[], Any], folder: str, call: Callable[..., Any]
) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaNotFoundError) as caught:
            await call(sandbox.fs, f"{folder}/größe ☃")
    error = caught.value
    assert (error.status_code, error.code, error.sandbox_id) == (404, "FILE_NOT_FOUND", sandbox.id)
    assert (error.outcome, error.retryable) == ("done", False)


async def test_a_depth_less_than_one_is_refused(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaValidationError, match="depth"):
            await sandbox.fs.list_files(".", 0)


async def test_names_outside_utf8_are_reached(box: Callable[[], Any], folder: str) -> None:
    """A name is bytes on Linux; Python spells the odd ones with surrogates, and the paths of all calls take them."""
    path = f"{folder}/caf\udce9.txt"
    async with box() as sandbox:
        await sandbox.fs.create_folder(folder, "755")
        await sandbox.process.exec("touch \"$(printf 'caf\\351.txt')\"", cwd=folder)
        assert (await sandbox.fs.get_file_info(path)).size == 0
        await sandbox.fs.upload_file(b"latin", path)
        assert (await sandbox.fs.get_file_info(path)).size == 5
        await sandbox.fs.move_files(path, f"{folder}/utf8.txt")
        assert await sandbox.fs.download_file(f"{folder}/utf8.txt") == b"latin"


async def test_a_body_of_json_cannot_carry_such_a_name(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaValidationError):
            await sandbox.fs.download_file(f"{folder}/caf\udce9.txt")
        with pytest.raises(DaytonaValidationError):
            await sandbox.process.exec("echo caf\udce9")


async def test_a_nul_is_no_part_of_a_path(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaBadRequestError):
            await sandbox.fs.get_file_info("a\0b")
        with pytest.raises(DaytonaError):
            await sandbox.fs.upload_file(b"x", "a\0b")
