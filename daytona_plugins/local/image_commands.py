"""`daytona local image …`: which images have names here, and where they come from."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daytona_plugins.local.paths import Paths

if TYPE_CHECKING:
    from daytona_plugins.local.images.image import Image
    from daytona_plugins.local.images.layers import Layers
    from daytona_plugins.local.images.table import ImageTable


@click.group()
def image() -> None:
    """The images of the embedded platform."""


@image.command("list")
def list_images() -> None:
    """Show images, aliases and mirrors, in the order in which a name is looked for."""
    from daytona_plugins.local.images.machine import description
    from daytona_plugins.local.images.table import BUILT_IN

    contents = _table().read()
    for name, entry in sorted(contents.images.items()):
        added = datetime.fromtimestamp(entry.added_at, UTC).date()
        click.echo(f"image   {name}  {entry.image.resolved}, {len(entry.image.layers)} layers, {added}")
    click.echo(f"image   host  {description()}")
    for mirror in contents.mirrors:
        click.echo(f"mirror  {mirror}")
    for pattern, target in contents.aliases.items():
        click.echo(f"alias   {pattern}  {target}")
    for pattern, target in BUILT_IN.items():
        if pattern not in contents.aliases:
            click.echo(f"alias   {pattern}  a {target} made on this machine, or its own system (built in)")


@image.command()
@click.argument("name")
def add(name: str) -> None:
    """Pull NAME from the registry in it, or from a trusted mirror, and keep it."""
    from daytona_plugins.local.images.logins import find_login
    from daytona_plugins.local.images.registry import PullError, parse_reference, pull
    from daytona_plugins.local.images.unpack import ArchiveError

    mirrors = _table().read().mirrors
    _require_name(name)
    if not parse_reference(name).registry and not mirrors:
        raise click.ClickException(
            "no registry: give one in the name, or trust one with `daytona local image mirror`"
        )
    layers = _layers()
    with layers.held():
        try:
            mirror = "" if parse_reference(name).registry else mirrors[0]
            found = pull(name, layers, mirror, partial(find_login, _paths().database))
        except (PullError, ArchiveError) as error:
            raise click.ClickException(str(error)) from error
        _keep(name, found, "registry")


def _require_name(name: str) -> None:
    """Refuse what could not stand behind FROM."""
    from daytona_plugins.local.images.registry import PullError, parse_reference

    try:
        parse_reference(name)
    except PullError as error:
        raise click.BadParameter(str(error)) from error


@image.command("import")
@click.argument("name")
@click.argument("source")
def import_image(name: str, source: str) -> None:
    """Keep the image in SOURCE as NAME: oci:DIR, archive:FILE, dir:PATH, or the path of a directory or an archive."""
    from daytona_plugins.local.images.imports import SCHEMES, load
    from daytona_plugins.local.images.unpack import ArchiveError

    _require_name(name)
    scheme, _, place = source.partition(":")
    if source.startswith(SCHEMES):
        source = f"{scheme}:{Path(place).expanduser().absolute()}"
    else:
        path = Path(source).absolute()
        scheme = "oci" if (path / "index.json").exists() else "dir" if path.is_dir() else "archive"
        source = f"{scheme}:{path}"
    layers = _layers()
    with layers.held():
        try:
            found = load(source, layers)
        except ArchiveError as error:
            raise click.ClickException(str(error)) from error
        _keep(name, found, source)


@image.command()
@click.argument("pattern")
@click.argument("target")
def alias(pattern: str, target: str) -> None:
    """Let every image name that fits PATTERN (with *) mean TARGET."""
    _table().alias(pattern, target)
    click.echo(f"{pattern} means {target}")


@image.command()
@click.argument("url")
def mirror(url: str) -> None:
    """Look for names without a registry at URL, before aliases."""
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter("a mirror begins with https:// (or http://)")
    _table().trust(url.rstrip("/"))
    click.echo(f"{url} is trusted")


@image.command()
@click.option("--suite", default="bookworm", show_default=True, help="Which Debian.")
def bootstrap(suite: str) -> None:
    """Make a small Debian with Python from Debian's packages, by mmdebstrap."""
    from daytona_plugins.local.images import bootstrap as debian

    layers = _layers()
    with layers.held():
        try:
            made = asyncio.run(debian.bootstrap(layers, _table(), _show, suite))
        except debian.BootstrapError as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{debian.name_of(suite)} is {made.resolved}")


@image.command()
@click.argument("name")
def remove(name: str) -> None:
    """Forget an image, an alias or a mirror; what was made from it goes on."""
    if not _table().remove(name):
        raise click.ClickException(f"there is no image, alias or mirror {name!r}")
    click.echo(f"{name} is forgotten")


@image.command()
def prune() -> None:
    """Remove layers that no image, snapshot or sandbox has, and caches and uploaded files of builds.

    A build that is done once more takes as long as the first time then.
    """
    from daytona_plugins.local.images.layers import InUseError
    from daytona_plugins.local.images.prune import prune as remove_unused
    from daytona_plugins.local.platform.builds import contexts_directory

    paths = _paths()
    try:
        pruned = asyncio.run(remove_unused(_layers(), _table(), paths.database, contexts_directory(paths)))
    except InUseError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"removed {pruned.layers} layers, {pruned.caches} caches and {pruned.contexts} uploads: "
        f"{pruned.freed / 1e6:.0f} MB"
    )


def _keep(name: str, found: Image, source: str) -> None:
    from daytona_plugins.local.images.table import Entry

    _table().add(name, Entry(image=found, source=source, added_at=time.time()))
    click.echo(f"{name} is {found.resolved}, {len(found.layers)} layers")


def _show(output: bytes) -> None:
    sys.stderr.buffer.write(output)
    sys.stderr.flush()


def _table() -> ImageTable:
    from daytona_plugins.local.images.table import ImageTable

    return ImageTable(_paths())


def _layers() -> Layers:
    from daytona_plugins.local.images.layers import Layers

    layers = Layers(_paths())
    layers.open()
    return layers


def _paths() -> Paths:
    paths = Paths.from_environment()
    paths.make()
    return paths
