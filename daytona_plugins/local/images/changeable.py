"""What an ordinary user needs to install packages over this machine's own system: directories and a package state of their own.

In the sandbox of an ordinary user the machine's files belong to nobody, and neither do its directories, so nothing could be
added to them. A layer of the same directories, belonging to the user, changes that for all but the content of files that are
there already; package managers replace files and never write into them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.images.machine import host_key
from daytona_plugins.local.images.unpack import OPAQUE_MARK
from daytona_plugins.local.runtime.rootfs import layer_directories
from daytona_plugins.local.runtime.skeleton import PACKAGE_STATE, copy_readable, mirror_directories

if TYPE_CHECKING:
    from daytona_plugins.local.images.layers import Layers

DEEPEST: Final = 64
# There is one id in the sandbox, so that apt cannot become another one to fetch packages.
APT: Final = 'APT::Sandbox::User "root";\n'


def layer_name() -> str:
    """Return the name of the layer, which is another one when packages of the machine have changed."""
    return f"changeable-{host_key()}"


def make(layers: Layers) -> None:
    """Make the layer if it is not there, which takes some seconds."""
    name = layer_name()
    if not layers.has(name):
        draft = layers.draft()
        for tree in ("usr", "opt"):
            files, _ = layer_directories(tree)
            mirror_directories(Path("/", tree), _made(draft / files), depth=DEEPEST)
        for tree in PACKAGE_STATE:
            if os.path.isdir(f"/{tree}"):
                files, _ = layer_directories(tree)
                _copy_state(Path("/", tree), _made(draft / files))
        _forget_manual_pages(draft / "var_lib_dpkg" / "files" / "triggers" / "File")
        configuration = draft / "root" / "files" / "etc" / "apt" / "apt.conf.d"
        configuration.mkdir(parents=True)
        (configuration / "99-one-user").write_text(APT, encoding="ascii")
        layers.adopt(draft, name)
        shutil.rmtree(draft, ignore_errors=True)  # another build was faster


def _forget_manual_pages(triggers: Path) -> None:
    """The index of manual pages belongs to a user of its own, whom there is not: it is not brought up to date."""
    if triggers.exists():
        lines = triggers.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.partition(" ")[2].startswith("man-db")]
        triggers.write_text("".join(kept), encoding="utf-8")


def _copy_state(source: Path, target: Path) -> None:
    """Copy what can be read, and let nothing else shine through: locks and caches of the machine belong to others."""
    copy_readable(source, target)
    for entry in source.iterdir():
        own = target / entry.name
        if entry.is_dir():
            own.mkdir(exist_ok=True)
            os.setxattr(own, OPAQUE_MARK, b"y")
        elif not os.path.lexists(own):
            own.touch()


def _made(directory: Path) -> Path:
    directory.parent.mkdir(parents=True, exist_ok=True)
    return directory
