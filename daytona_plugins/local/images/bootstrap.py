"""Makes a small Debian from Debian's packages with `mmdebstrap`, which an ordinary user can run too."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from asyncio.subprocess import PIPE, STDOUT
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.images.imports import load
from daytona_plugins.local.images.machine import os_release
from daytona_plugins.local.images.programs import running
from daytona_plugins.local.images.table import Entry
from daytona_plugins.local.images.unpack import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.images.image import Image
    from daytona_plugins.local.images.layers import Layers
    from daytona_plugins.local.images.table import ImageTable

SUITE: Final = "bookworm"
NO_IDS: Final = (
    "\nAn ordinary user needs ids of their own for that: install the Debian package uidmap, and as administrator run "
    "`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`."
)
PACKAGES: Final = "ca-certificates,python3,python3-venv,git"


class BootstrapError(Exception):
    """No Debian could be made; the text is the end of what `mmdebstrap` said."""


def available() -> bool:
    """Return whether this machine can make a Debian."""
    return shutil.which("mmdebstrap") is not None


def name_of(suite: str) -> str:
    """Return the name under which the image is found."""
    return f"local/debian:{suite}"


async def bootstrap(
    layers: Layers, table: ImageTable, say: Callable[[bytes], None], suite: str = SUITE
) -> Image:
    """Make the image and give it its name.

    Raises:
        BootstrapError: It could not be made.
    """
    draft = layers.draft().with_suffix(".tar")
    try:
        await _run(str(draft), say, suite)
        image = await asyncio.to_thread(load, f"archive:{draft}", layers)
    except ArchiveError as error:
        raise BootstrapError(str(error)) from error
    finally:
        draft.unlink(missing_ok=True)
    named = image.with_source(f"Debian {suite}, made here by mmdebstrap")
    table.add(name_of(suite), Entry(image=named, source="mmdebstrap", added_at=time.time()))
    return named


async def _run(target: str, say: Callable[[bytes], None], suite: str) -> None:
    program = shutil.which("mmdebstrap")
    if program is None:
        raise BootstrapError("this machine has no mmdebstrap; install it, or import an image")
    # In a sandbox of an ordinary user there is one id, and apt cannot become another one.
    options = ("--variant=minbase", f"--include={PACKAGES}", '--aptopt=APT::Sandbox::User "root"')
    command = (program, *options, *_shared_configuration(), suite, target, *_own_sources(suite))
    last = b""
    async with running(*command, stdout=PIPE, stderr=STDOUT) as process:
        assert process.stdout is not None
        while piece := await process.stdout.read(65536):
            say(piece)
            last = (last + piece)[-2000:]
        code = await process.wait()
    if code != 0:
        text = last.decode("utf-8", "replace").strip()
        raise BootstrapError(f"mmdebstrap: {text}{NO_IDS if 'unable to pick chroot mode' in text else ''}")


def _shared_configuration() -> list[str]:
    """What this machine trusts, and where its pip finds packages, holds for the images that are made on it."""
    files = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")
    return [f"--customize-hook=upload {file} {file}" for file in files if os.access(file, os.R_OK)]


def _own_sources(suite: str) -> list[str]:
    """Where this machine gets the same suite from is where the image should get it from."""
    if os_release().get("VERSION_CODENAME") != suite:
        return []
    files = ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")
    return [file for file in files if os.path.exists(file)][:1]
