"""Images from files of this machine: `oci:DIR`, `archive:FILE` and `dir:PATH`."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from daytona_plugins.local.images import oci
from daytona_plugins.local.images.image import Image
from daytona_plugins.local.images.unpack import ArchiveError, copy_tree, unpack_layer

if TYPE_CHECKING:
    from collections.abc import Generator

    from daytona_plugins.local.images.layers import Layers

SCHEMES: Final = ("oci:", "archive:", "dir:")


class _Saved(msgspec.Struct, rename="pascal"):
    """One image in an archive that `docker save` has made."""

    config: str
    layers: list[str]


def load(reference: str, layers: Layers) -> Image:
    """Return the image in a file or directory, its layers unpacked; those that are here already are not made again.

    Raises:
        ArchiveError: There is none.
    """
    scheme, _, place = reference.partition(":")
    path = Path(place).expanduser()
    if not path.is_absolute():
        raise ArchiveError(f"{reference} needs an absolute path")
    if not path.exists():
        raise ArchiveError(f"there is nothing at {path}")
    if scheme == "oci":
        layout = oci.Layout(path)
        return oci.assemble(layout, layout.top(), layers, reference)
    return (
        _from_directory(path, layers, reference)
        if scheme == "dir"
        else _from_archive(path, layers, reference)
    )


def _from_directory(path: Path, layers: Layers, reference: str) -> Image:
    name = f"dir-{_fingerprint(path)}"
    if not layers.has(name):
        draft = layers.draft()
        copy_tree(path, draft)
        layers.adopt(draft, name)
    return Image(base="none", layers=(name,), resolved=reference)


def _from_archive(path: Path, layers: Layers, reference: str) -> Image:
    """An archive holds an OCI layout, what `docker save` writes, or plainly a root file system."""
    with _unpacked_if_image(path, layers) as directory:
        if directory is None:
            return _root_file_system(path, layers, reference)
        if (directory / "index.json").exists():
            layout = oci.Layout(directory)
            return oci.assemble(layout, layout.top(), layers, reference)
        return _saved(directory, layers, reference)


@contextmanager
def _unpacked_if_image(path: Path, layers: Layers) -> Generator[Path | None]:
    try:
        with tarfile.open(path) as archive:
            names = {name.removeprefix("./") for name in archive.getnames()}
    except (tarfile.TarError, OSError) as error:
        raise ArchiveError(f"{path} is no archive: {error}") from error
    if not names & {"index.json", "manifest.json"}:
        yield None
        return
    draft = layers.draft()
    try:
        with open(path, "rb") as file:
            unpack_layer(file, draft)
        yield draft / "root" / "files"
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _root_file_system(path: Path, layers: Layers, reference: str) -> Image:
    with open(path, "rb") as file:
        name = f"archive-{hashlib.file_digest(file, 'sha256').hexdigest()[:32]}"
        if not layers.has(name):
            file.seek(0)
            draft = layers.draft()
            unpack_layer(file, draft)
            layers.adopt(draft, name)
    return Image(base="none", layers=(name,), resolved=reference)


def _saved(directory: Path, layers: Layers, reference: str) -> Image:
    first = oci.decode((directory / "manifest.json").read_bytes(), list[_Saved])[0]
    names: list[str] = []
    for blob in first.layers:
        names += _root_file_system(_within(directory, blob), layers, reference).layers
    settings = oci.read_configuration(_within(directory, first.config).read_bytes())
    return Image(base="none", layers=tuple(names), config=settings, resolved=reference)


def _within(directory: Path, name: str) -> Path:
    path = (directory / name).resolve()
    if not path.is_relative_to(directory.resolve()) or not path.is_file():
        raise ArchiveError(f"{name!r} is not in the archive")
    return path


def _fingerprint(directory: Path) -> str:
    """Name what a directory holds by names, sizes and times, which is quick and changes when the content does."""
    found = hashlib.sha256()
    for place, directories, files in os.walk(directory):
        directories.sort()
        for name in sorted(files):
            status = os.lstat(os.path.join(place, name))
            fact = (
                os.path.relpath(place, directory),
                name,
                status.st_size,
                status.st_mtime_ns,
                status.st_mode,
            )
            found.update(repr(fact).encode("utf-8", "surrogateescape"))
    return found.hexdigest()[:32]
