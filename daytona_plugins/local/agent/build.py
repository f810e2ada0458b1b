"""What the builder of images does in a sandbox: run one step with its output as it comes, take files in, give files out.

    POST /build/run      a command; the answer's body is its output, and ends when it does
    GET  /build/result   its exit code
    POST /build/unpack   a tar archive, put in place the way COPY and ADD do it
    GET  /build/pack     a tar archive of paths

Archives are opened here, inside: whatever a name or a link in them points to lies in the sandbox.
"""

from __future__ import annotations

import asyncio
import bz2
import contextlib
import glob
import gzip
import lzma
import os
import shutil
import subprocess
import tarfile
import tempfile
from functools import partial
from typing import IO, TYPE_CHECKING, Final

import msgspec

from daytona_plugins.local import zstd
from daytona_plugins.local.agent.accounts import group_id, home_directory, own_group_id, user_id
from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.agent.errors import bad_request, from_os_error
from daytona_plugins.local.runtime.kernel import set_seccomp_filter
from daytona_plugins.local.runtime.seccomp import build_owners_filter
from daytona_plugins.local.web import HTTPError, Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from daytona_plugins.local.agent.toolbox import Toolbox

ROOT: Final = ("", "0", "root")
READ_SIZE: Final = 256 * 1024
LAST_WORDS: Final = 0.1
"""Seconds for output that is under way when a command ends; a daemon it left behind may keep the pipe open for ever."""
DECOMPRESSORS: Final = (gzip, bz2, lzma)  # tarfile would import them when it meets such an archive


class RunRequest(msgspec.Struct):
    """One step of a build."""

    command: list[str]
    cwd: str = "/"
    env: dict[str, str] = {}
    user: str = ""
    script: str = ""
    """The text of a program to execute in the place of *command*; its first line names its interpreter."""


def add_build(toolbox: Toolbox) -> None:
    """Answer the builder."""
    steps: list[asyncio.Future[int]] = []

    async def run(request: Request) -> Response:
        wanted = await read_json(request, RunRequest)
        reading, code = _start(toolbox, wanted)
        steps.append(code)
        return Response(200, [("Content-Type", "application/octet-stream")], _output(reading, code))

    async def result(_request: Request) -> Response:
        if not steps:
            raise bad_request("nothing was run")
        return json_response({"exitCode": await asyncio.shield(steps[-1])})

    toolbox.router.add("POST", "/build/run", run)
    toolbox.router.add("GET", "/build/result", result)
    toolbox.router.add("POST", "/build/unpack", _unpack)
    toolbox.router.add("GET", "/build/pack", _pack)


def _start(toolbox: Toolbox, wanted: RunRequest) -> tuple[int, asyncio.Future[int]]:
    reading, writing = os.pipe()
    script = _in_memory(wanted.script) if wanted.script else None
    try:
        user, group = _account(wanted.user)
        process = subprocess.Popen(  # noqa: S603 (running what the user asked for is the purpose)
            wanted.command if script is None else [f"/proc/self/fd/{script}"],
            pass_fds=() if script is None else (script,),
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            cwd=wanted.cwd,
            env={**os.environ, **_home_of(wanted.user), **wanted.env},
            user=user,
            group=group,
            extra_groups=None if user is None else (),
            process_group=0,
            preexec_fn=partial(set_seccomp_filter, build_owners_filter()) if _has_one_user() else None,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        os.close(reading)
        raise bad_request(f"{wanted.command[0]} cannot be started: {error}") from error
    finally:
        os.close(writing)
        if script is not None:
            os.close(script)
    process.returncode = 0  # the reaper collects it, not this object
    return reading, toolbox.reaper.claim(process.pid)


def _has_one_user() -> bool:
    """Return whether no file here can belong to anybody else; programs are let believe then that some do."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return [line.split()[2] for line in file] == ["1"]


def _in_memory(script: str) -> int:
    """Return a program that is in no directory; its interpreter reads it from the descriptor."""
    descriptor = os.memfd_create("script", 0)
    os.fchmod(descriptor, 0o755)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(script.encode("utf-8", "surrogateescape"))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _account(user: str) -> tuple[int | None, int | None]:
    """Return the numbers to run as; None leaves them as they are, which is what user 0 is."""
    name, _, group = user.partition(":")
    if name in ROOT and not group:
        return None, None
    try:
        return user_id(name), group_id(group) if group else own_group_id(name) or 0
    except LookupError as error:
        raise bad_request(str(error)) from error


def _home_of(user: str) -> dict[str, str]:
    """Return where a user other than root is at home, whose `~` would be that of root."""
    name = user.partition(":")[0]
    home = home_directory(name) if name not in ROOT else ""
    return {"HOME": home} if home else {}


async def _output(reading: int, code: asyncio.Future[int]) -> AsyncGenerator[bytes, None]:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), _opened(reading)
    )
    try:
        while piece := await _next_piece(reader, code):
            yield piece
    finally:
        transport.close()


def _opened(descriptor: int) -> IO[bytes]:
    return open(descriptor, "rb", buffering=0)


async def _next_piece(reader: asyncio.StreamReader, code: asyncio.Future[int]) -> bytes:
    """Return what comes next, or nothing when the command has ended and everything it wrote has come."""
    piece = asyncio.ensure_future(reader.read(READ_SIZE))
    try:
        either: list[asyncio.Future[bytes] | asyncio.Future[int]] = [piece, code]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({piece}, timeout=LAST_WORDS)
        return piece.result() if piece.done() else b""
    finally:
        piece.cancel()


async def _unpack(request: Request) -> Response:
    """Put the archive in the body where `path` says.

    `file=1`: it holds one file, which gets the name `path` unless that is a directory. `archives=1`: files in it that
    are archives themselves are opened, as ADD does. The answer is where `path` is, all links followed.
    """
    query = request.query
    with tempfile.TemporaryFile(dir="/") as file:
        async for chunk in request.chunks():
            file.write(chunk)
        file.seek(0)
        try:
            unpacking = _Unpacking(query.first("path"), query.first("chown"), query.first("chmod"))
            place = await asyncio.to_thread(
                unpacking.run,
                file,
                single=bool(query.first("file")),
                open_archives=bool(query.first("archives")),
            )
        except OSError as error:
            raise from_os_error(error, os.fsdecode(error.filename or query.first("path"))) from error
        except (tarfile.TarError, LookupError) as error:
            raise bad_request(str(error)) from error
    return json_response({"path": place})


def _group_of_files(user: str, group: str) -> int:
    """Return the group that files get: the one that is named, else the user's, or for a number the same number."""
    own = None if user.isdecimal() else own_group_id(user)
    return group_id(group or user) if group or own is None else own


class _Unpacking:
    """Where files go, and whose they become."""

    def __init__(self, path: str, chown: str, chmod: str) -> None:
        self._path = path
        self._mode = _mode(chmod) if chmod else None
        name, _, group = chown.partition(":")
        self._owner = (user_id(name), _group_of_files(name, group)) if chown else None

    def run(self, file: IO[bytes], *, single: bool, open_archives: bool) -> str:
        """Put everything in place, and return where that is."""
        to_directory = not single or self._path.endswith("/") or os.path.isdir(self._path)
        os.makedirs(self._path if to_directory else os.path.dirname(self._path) or "/", exist_ok=True)
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                if open_archives and member.isfile() and self._open(archive, member):
                    continue
                name = member.name if to_directory else ""
                self._place(archive, member, os.path.join(self._path, name) if name else self._path)
        return os.path.realpath(self._path)

    def _open(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bool:
        """Return whether the member is an archive, whose content is in place then."""
        content = archive.extractfile(member)
        assert content is not None
        try:
            with tarfile.open(fileobj=content) as inner:
                os.makedirs(self._path, exist_ok=True)
                for entry in inner:
                    place = os.path.join(self._path, os.path.normpath(entry.name).lstrip("/"))
                    self._place(inner, entry, place, self._owner or (entry.uid, entry.gid))
        except tarfile.ReadError:
            content.seek(0)
            if content.read(len(zstd.MAGIC)) == zstd.MAGIC:
                raise LookupError(f"ADD {member.name}: zstd is not opened here; use RUN tar") from None
            return False
        return True

    def _place(
        self,
        archive: tarfile.TarFile,
        member: tarfile.TarInfo,
        target: str,
        owner: tuple[int, int] | None = None,
    ) -> None:
        """What is there makes way, but a directory for a directory."""
        target = target.rstrip("/") or "/"
        member.uid, member.gid = owner or self._owner or (0, 0)
        member.uname = member.gname = ""
        if self._mode is not None and not member.issym():
            member.mode = self._mode
        if not (member.isdir() and os.path.isdir(target)):
            _make_way(target)
            member.name = target.lstrip("/")
            archive.extraction_filter = (
                _as_it_is  # Python before 3.11.4 has no other way to say so, and needs none
            )
            archive.extract(member, "/", numeric_owner=True)
            if self._owner is not None:
                os.chown(target, *self._owner, follow_symlinks=False)


def _mode(text: str) -> int:
    try:
        return int(text, 8)
    except ValueError as error:
        raise LookupError(f"--chmod={text}: only octal numbers are understood here") from error


def _as_it_is(member: tarfile.TarInfo, _path: str) -> tarfile.TarInfo:
    """Whatever an archive holds, it is put into a sandbox from within."""
    return member


def _make_way(target: str) -> None:
    if os.path.isdir(target) and not os.path.islink(target):
        shutil.rmtree(target)
    elif os.path.lexists(target):
        os.unlink(target)


async def _pack(request: Request) -> Response:
    """Archive what the patterns asked for name: a directory's content, or a file by its name.

    The header `X-Single-File` tells whether it is one file, which COPY may give another name.
    """
    paths, single = _named_by(request.query.all("path"))
    file = tempfile.TemporaryFile(dir="/")  # noqa: SIM115 (closed by the answer's body)
    try:
        await asyncio.to_thread(_archive, file, paths)
    except FileNotFoundError as error:
        file.close()
        raise HTTPError(404, f"{error.filename} not found", code="FILE_NOT_FOUND") from error
    headers = [("Content-Type", "application/x-tar"), ("X-Single-File", "1" if single else "0")]
    return Response(200, headers, _content(file))


def _named_by(patterns: list[str]) -> tuple[list[str], bool]:
    """Return the paths that fit, and whether they are one file."""
    paths = [path for pattern in patterns for path in sorted(glob.glob(pattern)) or [pattern]]
    return paths, len(paths) == 1 and not os.path.isdir(paths[0])


def _archive(file: IO[bytes], paths: list[str]) -> None:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in paths:
            if not os.path.isdir(path):
                archive.add(os.path.realpath(path, strict=True), os.path.basename(path))
                continue
            for name in sorted(os.listdir(path)):
                archive.add(os.path.join(path, name), name)


async def _content(file: IO[bytes]) -> AsyncGenerator[bytes, None]:
    with contextlib.closing(file):
        file.seek(0)
        while piece := file.read(READ_SIZE):
            yield piece
