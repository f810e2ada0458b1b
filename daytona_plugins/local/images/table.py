"""Which images have names here: one JSON file that the platform and the command line share.

Whoever changes it holds a lock, and replaces the file whole.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

import msgspec

from daytona_plugins.local.images.image import Image

if TYPE_CHECKING:
    from collections.abc import Generator

    from daytona_plugins.local.paths import Paths

BUILT_IN: Final = {
    "debian:12*": "debian",
    "debian:bookworm*": "debian",
    "debian:stable*": "debian",
    "debian:latest": "debian",
    "python:3*": "python",
    "python:latest": "python",
    "python:slim*": "python",
    "ubuntu:*": "debian",
}
"""Names that people and `Image.debian_slim` use, and the kind of base that stands in for them."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An image with a name, and where it came from."""

    image: Image
    source: str
    added_at: float


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    images: dict[str, Entry] = {}
    aliases: dict[str, str] = {}
    mirrors: tuple[str, ...] = ()


_decode = msgspec.json.Decoder(Contents).decode


class ImageTable:
    """Names of images, aliases that a user wrote, and registries that a user trusts."""

    def __init__(self, paths: Paths) -> None:
        self._file = paths.data / "images.json"

    def read(self) -> Contents:
        """Return what is written now."""
        try:
            return _decode(self._file.read_bytes())
        except FileNotFoundError:
            return Contents()

    def add(self, name: str, entry: Entry) -> None:
        """Give an image a name, which it takes from whatever had it."""
        with self._changing() as contents:
            self._write(
                msgspec.structs.replace(contents, images={**contents.images, normal_name(name): entry})
            )

    def alias(self, pattern: str, target: str) -> None:
        """Let every name that fits *pattern* mean *target*."""
        with self._changing() as contents:
            self._write(msgspec.structs.replace(contents, aliases={**contents.aliases, pattern: target}))

    def trust(self, mirror: str) -> None:
        """Look for names without a registry at *mirror* from now on."""
        with self._changing() as contents:
            mirrors = tuple(dict.fromkeys((*contents.mirrors, mirror)))
            self._write(msgspec.structs.replace(contents, mirrors=mirrors))

    def remove(self, name: str) -> bool:
        """Forget an image, an alias or a mirror; return whether there was one."""
        with self._changing() as contents:
            images = {key: entry for key, entry in contents.images.items() if key != normal_name(name)}
            aliases = {key: target for key, target in contents.aliases.items() if key != name}
            mirrors = tuple(mirror for mirror in contents.mirrors if mirror != name)
            left = Contents(images=images, aliases=aliases, mirrors=mirrors)
            self._write(left)
        return left != contents

    @contextmanager
    def _changing(self) -> Generator[Contents]:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield self.read()
        finally:
            os.close(descriptor)

    def _write(self, contents: Contents) -> None:
        draft = self._file.with_suffix(".part")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(contents)))
        draft.replace(self._file)


def normal_name(name: str) -> str:
    """Return the one spelling of an image's name: `python` and `docker.io/library/python:latest` are the same."""
    short = re.sub(r"^(docker\.io/|index\.docker\.io/)?(library/)?", "", name)
    last = short.rpartition("/")[2]
    return short if ":" in last or "@" in last else f"{short}:latest"


def alias_of(name: str, aliases: dict[str, str]) -> tuple[str, str] | None:
    """Return the pattern and the target of the first alias that fits; what a user wrote comes before what is built in.

    Nothing that is built in stands in for a digest, which asks for certain bytes.
    """
    wanted = normal_name(name)
    built_in = {} if "@" in name else {key: value for key, value in BUILT_IN.items() if key not in aliases}
    for pattern, target in {**aliases, **built_in}.items():
        if wanted == normal_name(pattern) or fnmatchcase(wanted, pattern):
            return pattern, target
    return None
