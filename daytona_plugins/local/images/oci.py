"""Images as the OCI describes them: from manifests and blobs, wherever these come from, to layers and a configuration.

    index ── this machine's platform ──► manifest ──► configuration blob, layer blobs

A `Source` gives blobs by digest; every blob is checked against its digest before anything is made of it.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final, Protocol, TypeVar

import msgspec

from daytona_plugins.local.images.image import Config, Healthcheck, Image
from daytona_plugins.local.images.unpack import ArchiveError, unpack_layer

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from daytona_plugins.local.images.layers import Layers

_T = TypeVar("_T")

ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
LARGEST_DOCUMENT: Final = 8 * 1024 * 1024


class _Platform(msgspec.Struct):
    architecture: str = ""
    os: str = ""


class Descriptor(msgspec.Struct, rename="camel"):
    """A blob, by digest."""

    digest: str
    media_type: str = ""
    size: int = -1
    platform: _Platform | None = None


class Manifest(msgspec.Struct, rename="camel"):
    """A manifest, or an index of manifests: which of the two shows in what it has."""

    config: Descriptor | None = None
    layers: list[Descriptor] = []
    manifests: list[Descriptor] = []


class _Health(msgspec.Struct, rename="pascal"):
    """Times are in nanoseconds."""

    test: list[str] = []
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class _Process(msgspec.Struct, rename="pascal"):
    env: list[str] | None = None
    working_dir: str | None = None
    user: str | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    labels: dict[str, str] | None = None
    shell: list[str] | None = None
    on_build: list[str] | None = None
    exposed_ports: dict[str, object] | None = None
    volumes: dict[str, object] | None = None
    stop_signal: str | None = None
    healthcheck: _Health | None = None


class _Configuration(msgspec.Struct):
    config: _Process | None = None


class Source(Protocol):
    """Where blobs come from."""

    def blob(self, descriptor: Descriptor) -> AbstractContextManager[IO[bytes]]:
        """Open a blob; what is read is checked by the caller."""
        ...


class Layout:
    """An OCI image layout in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def top(self) -> Manifest:
        """Return the index.

        Raises:
            ArchiveError: It is no image layout.
        """
        try:
            return decode(self._directory.joinpath("index.json").read_bytes(), Manifest)
        except OSError as error:
            raise ArchiveError(f"{self._directory} is no OCI image layout: {error}") from error

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Generator[IO[bytes]]:
        """Open a blob."""
        algorithm, _, digest = checked(descriptor.digest).partition(":")
        try:
            with open(self._directory / "blobs" / algorithm / digest, "rb") as file:
                yield file
        except FileNotFoundError as error:
            raise ArchiveError(f"the blob {descriptor.digest} is missing") from error


def assemble(source: Source, top: Manifest, layers: Layers, resolved: str) -> Image:
    """Return the image that *top* describes for this machine, its layers unpacked.

    Raises:
        ArchiveError: Something is missing, damaged, or not what its digest says.
    """
    manifest = choose(source, top)
    if manifest.config is None:
        raise ArchiveError("the manifest names no configuration")
    config = read_configuration(read(source, manifest.config))
    names = tuple(_layer(source, descriptor, layers) for descriptor in manifest.layers)
    return Image(base="none", layers=names, config=config, resolved=resolved)


def choose(source: Source, top: Manifest) -> Manifest:
    """Follow indexes to the manifest for this machine's architecture."""
    for _ in range(4):
        if not top.manifests:
            return top
        descriptor = _fitting(top.manifests)
        top = decode(read(source, descriptor), Manifest)
    raise ArchiveError("an index leads to indexes without end")


def _fitting(found: list[Descriptor]) -> Descriptor:
    wanted = ("linux", ARCHITECTURES.get(platform.machine(), platform.machine()))
    for descriptor in found:
        if (
            descriptor.platform is None
            or (descriptor.platform.os, descriptor.platform.architecture) == wanted
        ):
            return descriptor
    raise ArchiveError(f"there is no image for {'/'.join(wanted)} in it")


def read_configuration(content: bytes) -> Config:
    """Return how programs run, from an image's own words."""
    found = decode(content, _Configuration).config or _Process()
    return Config(
        env={name: value for name, _, value in (pair.partition("=") for pair in found.env or [])},
        workdir=found.working_dir or "",
        user=found.user or "",
        entrypoint=tuple(found.entrypoint) if found.entrypoint else None,
        cmd=tuple(found.cmd) if found.cmd else None,
        labels=found.labels or {},
        shell=tuple(found.shell) if found.shell else Config().shell,
        triggers=tuple(found.on_build or ()),
        exposed=tuple(found.exposed_ports or ()),
        volumes=tuple(found.volumes or ()),
        stop_signal=found.stop_signal or "",
        healthcheck=_healthcheck(found.healthcheck) if found.healthcheck else None,
    )


def _healthcheck(found: _Health) -> Healthcheck:
    times = {
        "interval": found.interval,
        "timeout": found.timeout,
        "start-period": found.start_period,
        "start-interval": found.start_interval,
    }
    options = {name: f"{time}ns" for name, time in times.items() if time}
    return Healthcheck(
        test=tuple(found.test), options=options | ({"retries": str(found.retries)} if found.retries else {})
    )


def _layer(source: Source, descriptor: Descriptor, layers: Layers) -> str:
    """Return the name of an unpacked layer: its digest, so that images that share it have it once."""
    name = checked(descriptor.digest).replace(":", "-")
    if not layers.has(name):
        draft = layers.draft()
        try:
            with source.blob(descriptor) as blob:
                reader = _Checked(blob, descriptor.digest)
                unpack_layer(reader, draft)
                reader.finish()
            layers.adopt(draft, name)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return name


def read(source: Source, descriptor: Descriptor) -> bytes:
    """Return a small blob that is what its digest says."""
    with source.blob(descriptor) as blob:
        reader = _Checked(blob, descriptor.digest)
        content = reader.read(LARGEST_DOCUMENT)
        reader.finish()
        return content


class _Checked:
    """A blob that is hashed as it is read."""

    def __init__(self, blob: IO[bytes], digest: str) -> None:
        self._blob = blob
        self._digest = checked(digest)
        self._hash = hashlib.new(self._digest.partition(":")[0])

    def read(self, size: int = -1, /) -> bytes:
        """Return the next piece."""
        piece = self._blob.read(size)
        self._hash.update(piece)
        return piece

    def finish(self) -> None:
        """Read what is left, and compare."""
        while self.read(1024 * 1024):
            pass
        if self._hash.hexdigest() != self._digest.partition(":")[2]:
            raise ArchiveError(f"the content of {self._digest} is not what its digest says")


def checked(digest: str) -> str:
    """Return a digest of a kind that is known here; its text becomes a part of a path."""
    algorithm, _, value = digest.partition(":")
    if algorithm not in ("sha256", "sha512") or not value or not set(value) <= set("0123456789abcdef"):
        raise ArchiveError(f"{digest!r} is not a digest that can be checked")
    return digest


def decode(content: bytes, kind: type[_T]) -> _T:
    """Read a document of an image."""
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise ArchiveError(f"a document of the image is damaged: {error}") from error
