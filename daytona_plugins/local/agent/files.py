"""Files and directories: list, look at, make, move, change, delete.

Paths go to the operating system as they are, relative ones below the agent's working directory. What may take long runs
in a thread, so that one large tree does not hold up the other requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.agent.accounts import group_id, user_id
from daytona_plugins.local.agent.errors import bad_request, from_os_error, printable
from daytona_plugins.local.agent.fileinfo import describe
from daytona_plugins.local.agent.whole_numbers import whole_number
from daytona_plugins.local.web import HTTPError, Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daytona_plugins.local.agent.toolbox import Toolbox

DEFAULT_DIRECTORY_MODE: Final = 0o755


def add_files(toolbox: Toolbox) -> None:
    """Answer everything about files but their contents."""
    router = toolbox.router
    for path in ("/files", "/files/"):
        router.add("GET", path, _list)
        router.add("DELETE", path, _delete)
    router.add("GET", "/files/info", _info)
    router.add("POST", "/files/folder", _make_folder)
    router.add("POST", "/files/move", _move)
    router.add("POST", "/files/permissions", _set_permissions)


def path_parameter(request: Request, name: str = "path", default: str = "") -> str:
    """Return the path in a query parameter.

    Raises:
        HTTPError: It is missing, or no path (400).
    """
    path = request.query.first(name) or default
    if not path:
        raise bad_request(f"{name} is required", code="INVALID_FILE_PATH")
    return checked_path(path)


def checked_path(path: str) -> str:
    """Return *path* unless the operating system could not even be asked about it."""
    if "\0" in path:
        raise bad_request("invalid file path: it contains a NUL byte", code="INVALID_FILE_PATH")
    return path


def parse_mode(text: str) -> int:
    """Return the permission bits that an octal number stands for; higher bits are dropped."""
    if not text or set(text) - set("01234567"):
        raise bad_request(f"invalid mode {text!r}: an octal number is expected")
    return int(text, 8) & 0o777


def make_directories(path: str, mode: int) -> None:
    """Make *path* and its parents, all with *mode*; a directory that exists stays as it is.

    Raises:
        OSError: A component is a file, or there is no permission.
    """
    if path and not os.path.isdir(path):
        make_directories(os.path.dirname(path.rstrip("/")), mode)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, mode)
        if not os.path.isdir(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)


async def _list(request: Request) -> Response:
    path = path_parameter(request, default=".")
    depth = whole_number(request.query.first("depth", "1"))
    if depth is None or depth < 1:
        raise bad_request("depth must be an integer greater than or equal to 1")
    try:
        return json_response(await asyncio.to_thread(lambda: list(_entries(path, depth))))
    except OSError as error:
        raise from_os_error(error, path) from error


def _entries(directory: str, depth: int) -> Iterator[dict[str, object]]:
    """Yield the entries by name, each followed by its own; links are not followed down, so there are no circles."""
    for name in sorted(os.listdir(directory), key=os.fsencode):
        path = os.path.normpath(os.path.join(directory, name))
        # Dangling links and files that vanished meanwhile are left out.
        with contextlib.suppress(OSError):
            yield describe(path, with_path=True)
        if depth > 1 and os.path.isdir(path) and not os.path.islink(path):
            with contextlib.suppress(PermissionError, FileNotFoundError):
                yield from _entries(path, depth - 1)


async def _info(request: Request) -> Response:
    path = path_parameter(request)
    try:
        return json_response(describe(path))
    except OSError as error:
        raise from_os_error(error, path) from error


async def _make_folder(request: Request) -> Response:
    path = path_parameter(request)
    mode = request.query.first("mode")
    try:
        make_directories(path, parse_mode(mode) if mode else DEFAULT_DIRECTORY_MODE)
    except OSError as error:
        raise bad_request(f"mkdir {printable(path)}: {os.strerror(error.errno or 0).lower()}") from error
    return Response(201)


async def _move(request: Request) -> Response:
    source, destination = path_parameter(request, "source"), path_parameter(request, "destination")
    try:
        await asyncio.to_thread(_move_path, source, destination)
    except OSError as error:
        raise from_os_error(error, destination) from error
    return Response()


def _move_path(source: str, destination: str) -> None:
    source, destination = os.path.abspath(source), os.path.abspath(destination)
    if not os.path.lexists(source):
        raise HTTPError(404, f"file not found: {printable(source)}", code="FILE_NOT_FOUND")
    if os.path.exists(destination):
        raise HTTPError(409, f"destination already exists: {printable(destination)}", code="CONFLICT")
    _rename(source, destination)


def _rename(source: str, destination: str) -> None:
    """Rename, or copy and delete where the two lie on different file systems, as /usr and /home do."""
    try:
        os.rename(source, destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_and_delete(source, destination)


def _copy_and_delete(source: str, destination: str) -> None:
    try:
        shutil.move(source, destination)
    except OSError:
        # A tree may be gone in part, and then the copy is all there is; a file is there still.
        if os.path.lexists(source) and not os.path.isdir(source):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(destination)
        raise


async def _set_permissions(request: Request) -> Response:
    path = path_parameter(request)
    mode, owner, group = (request.query.first(name) for name in ("mode", "owner", "group"))
    try:
        os.stat(path)
    except OSError as error:
        raise from_os_error(error, path) from error
    try:
        if mode:
            os.chmod(path, parse_mode(mode))
        if owner or group:
            os.chown(path, user_id(owner) if owner else -1, group_id(group) if group else -1)
    except PermissionError as error:
        raise from_os_error(error, path) from error
    except (OSError, LookupError, OverflowError) as error:
        raise bad_request(f"cannot change the permissions of {printable(path)}: {error}") from error
    return Response()


async def _delete(request: Request) -> Response:
    path = path_parameter(request)
    await asyncio.to_thread(_delete_path, path, recursive=request.query.first("recursive") == "true")
    return Response(204)


def _delete_path(path: str, *, recursive: bool) -> None:
    try:
        os.lstat(path)
    except OSError as error:
        raise from_os_error(error, path) from error
    if os.path.isdir(path) and not recursive:
        raise bad_request(f"{printable(path)} is a directory; it is only deleted with recursive=true")
    try:
        _remove(path)
    except OSError as error:
        raise from_os_error(error, path) from error


def _remove(path: str) -> None:
    """Remove a tree, or a file, or of a link to a directory the link alone."""
    link = path.rstrip("/") or path
    if os.path.isdir(path) and not os.path.islink(link):
        shutil.rmtree(path)
    else:
        os.unlink(link)
