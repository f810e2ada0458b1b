"""An image as a value: which layers it is made of, and how programs in it are to run."""

from __future__ import annotations

import msgspec

from daytona_plugins.local.runtime.spec import Base


class Healthcheck(msgspec.Struct, frozen=True, kw_only=True):
    """How one could ask a program whether it is well; it is written down, and nothing here asks."""

    test: tuple[str, ...] = ("NONE",)
    """`NONE`, or `CMD` and words, or `CMD-SHELL` and a text."""
    options: dict[str, str] = {}


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """How programs run in a sandbox made from an image."""

    env: dict[str, str] = {}
    workdir: str = ""
    user: str = ""
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    labels: dict[str, str] = {}
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    triggers: tuple[str, ...] = ()
    """Instructions for a build that begins with this image (ONBUILD)."""
    exposed: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    healthcheck: Healthcheck | None = None

    @property
    def program(self) -> tuple[str, ...]:
        """What a sandbox runs by itself: ENTRYPOINT with CMD as its arguments, or CMD alone."""
        return (*(self.entrypoint or ()), *(self.cmd or ()))


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A root file system: a base, and names of layers over it, the lowest first."""

    base: Base = "host"
    layers: tuple[str, ...] = ()
    config: Config = Config()
    resolved: str = "host"
    """What the name it was asked for by turned out to mean, for people."""
    differences: tuple[str, ...] = ()
    """In what it is not what the name says."""

    def with_layer(self, layer: str) -> Image:
        """Return the image with one more layer on top."""
        return msgspec.structs.replace(self, layers=(*self.layers, layer))

    def with_source(self, resolved: str) -> Image:
        """Return the image with other words about where it comes from."""
        return msgspec.structs.replace(self, resolved=resolved)

    def with_config(self, **changes: object) -> Image:
        """Return the image with another configuration."""
        return msgspec.structs.replace(self, config=msgspec.structs.replace(self.config, **changes))


HOST = Image()
"""The programs of this machine."""
