"""Layers out of archives: the files of one OCI layer, one root file system, or one directory.

Archives come from elsewhere, and are unpacked on this machine, so nothing in them may lead out of the layer: each file is
made below a directory that was reached without following a link. Owners are not kept for an ordinary user, who has one id.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zlib
from contextlib import suppress
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Final, cast

from daytona_plugins.local.zstd import MissingError, decompressed

if TYPE_CHECKING:
    from pathlib import Path

    from daytona_plugins.local.zstd import Readable

WHITEOUT: Final = ".wh."
OPAQUE: Final = ".wh..wh..opq"
OPAQUE_MARK: Final = "user.overlay.opaque"


class ArchiveError(Exception):
    """An archive is damaged, or holds what no layer may."""


def unpack_layer(source: Readable, layer: Path) -> None:
    """Make *layer* from a tar archive, compressed in any usual way or not at all.

    Raises:
        ArchiveError: It is damaged, or one of its names leads out of it.
    """
    root = layer / "root" / "files"
    root.mkdir(mode=0o755, parents=True)
    modes: list[tuple[Path, int, float]] = []
    try:
        # Of a stream tarfile calls nothing but `read`, whatever its annotations ask for.
        with (
            decompressed(source) as content,
            tarfile.open(fileobj=cast("IO[bytes]", content), mode="r|*") as archive,
        ):
            for member in archive:
                _place(archive, member, root, modes)
    except MissingError as error:
        raise ArchiveError(f"a layer cannot be read: {error}") from error
    except (tarfile.TarError, EOFError, ValueError, zlib.error) as error:
        raise ArchiveError(f"the archive of a layer is damaged: {error}") from error
    for path, mode, time in reversed(modes):
        path.chmod(mode)
        os.utime(path, (time, time))


def copy_tree(source: Path, layer: Path) -> None:
    """Make *layer* from a directory that holds a root file system."""
    target = layer / "root" / "files"
    target.parent.mkdir(mode=0o755, parents=True)
    shutil.copytree(source, target, symlinks=True, ignore=_special)


def _special(directory: str, names: list[str]) -> list[str]:
    """Leave out devices, pipes and sockets: a sandbox has its own."""
    ordinary = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)
    return [
        name for name in names if stat.S_IFMT(os.lstat(os.path.join(directory, name)).st_mode) not in ordinary
    ]


def _place(
    archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path, modes: list[tuple[Path, int, float]]
) -> None:
    target = _inside(root, member.name)
    if target == root:
        return
    if target.name == OPAQUE:
        os.setxattr(target.parent, OPAQUE_MARK, b"y")
    elif target.name.startswith(WHITEOUT):
        _clear(hidden := target.with_name(target.name.removeprefix(WHITEOUT)))
        os.mknod(hidden, stat.S_IFCHR, os.makedev(0, 0))
    elif member.isdir():
        _make_directory(target)
        modes.append((target, member.mode & 0o7777 | 0o700, member.mtime))
    elif member.issym():
        _clear(target)
        target.symlink_to(member.linkname)
    elif member.islnk():
        _clear(target)
        os.link(_inside(root, member.linkname), target, follow_symlinks=False)
    elif member.isfile():
        _write(archive, member, target)
    _own(target, member)
    _set_attributes(target, member)


def _inside(root: Path, name: str) -> Path:
    """Return where *name* lies, its parents made; a link among them would lead elsewhere, and is refused."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", ".")]
    if ".." in parts:
        raise ArchiveError(f"{name!r} leads out of its layer")
    place = root
    for part in parts[:-1]:
        place /= part
        if place.is_symlink():
            raise ArchiveError(f"{name!r} lies behind a link")
        place.mkdir(mode=0o755, exist_ok=True)
    return place / parts[-1] if parts else root


def _make_directory(target: Path) -> None:
    if target.is_symlink() or not target.is_dir():
        _clear(target)
        target.mkdir(mode=0o755)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    _clear(target)
    content = archive.extractfile(member)
    assert content is not None
    with open(target, "xb") as file:
        shutil.copyfileobj(content, file, 1024 * 1024)
    target.chmod(member.mode & 0o7777)
    os.utime(target, (member.mtime, member.mtime))


def _clear(target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)


def _own(target: Path, member: tarfile.TarInfo) -> None:
    """As root a layer keeps its owners, as far as their ids exist in a sandbox."""
    if os.getuid() == 0 and os.path.lexists(target) and max(member.uid, member.gid) < 65536:
        mode = target.lstat().st_mode
        os.chown(target, member.uid, member.gid, follow_symlinks=False)
        if stat.S_ISREG(mode):
            target.chmod(stat.S_IMODE(mode))  # changing the owner takes set-id bits away


def _set_attributes(target: Path, member: tarfile.TarInfo) -> None:
    """Capabilities of programs need root; marks of the overlay come from whiteouts alone."""
    if not (member.isfile() or member.isdir()):
        return
    for key, value in member.pax_headers.items():
        name = key.removeprefix("SCHILY.xattr.")
        wanted = name.startswith("user.") or (name == "security.capability" and os.getuid() == 0)
        if name != key and wanted and not name.startswith("user.overlay."):
            with suppress(OSError):  # a file system without them, or ids that are not ours to give rights to
                os.setxattr(target, name, value.encode("utf-8", "surrogateescape"), follow_symlinks=False)
