"""What COPY and ADD bring in from outside of any image: uploaded files, here-documents, files from the network."""

from __future__ import annotations

import asyncio
import hashlib
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from daytona_plugins.local.images.context import NOTHING, Selection, entry_of_file
from daytona_plugins.local.images.fetch import check_form, fetch, name_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from daytona.protocols.dockerfile import Heredoc
    from daytona_plugins.local.images.dockerfile import Copy
    from daytona_plugins.local.images.site import Site

REMOTE: Final = re.compile(r"https?://")


class _Remote(NamedTuple):
    """A file from the network; its digest is known before it is here."""

    url: str
    name: str
    digest: str
    file: Path | None = None


class Brought:
    """The files of one instruction; those of the network that are not here yet are fetched into *directory*."""

    def __init__(self, local: Selection, remote: list[_Remote], directory: Path, *, unpack: bool) -> None:
        self.count = len(local.entries) + len(remote)
        self.single = self.count == 1 if remote else local.single
        self._local = local
        self._remote = remote
        self._directory = directory
        self._unpack = unpack

    def digest(self) -> str:
        """Return a name for exactly this content."""
        if not self._remote:
            return self._local.digest()
        facts = (self._local.digest(), [(each.name, each.digest) for each in self._remote])
        return hashlib.sha256(repr(facts).encode("utf-8", "surrogateescape")).hexdigest()

    async def selections(self) -> AsyncGenerator[tuple[Selection, bool], None]:
        """Yield the files, with whether those that are archives are to be opened."""
        if self._local.entries:
            yield self._local, self._unpack
        if self._remote:
            entries = {each.name: entry_of_file(await self._file(each), mode=0o600) for each in self._remote}
            yield Selection(entries, self.single), False

    async def _file(self, remote: _Remote) -> Path:
        if remote.file is not None:
            return remote.file
        return (await asyncio.to_thread(fetch, remote.url, self._directory, remote.digest)).path


@asynccontextmanager
async def brought(copy: Copy, expanded: Callable[[str], str], site: Site) -> AsyncGenerator[Brought]:
    """Find what *copy* brings in, for as long as the block runs.

    Raises:
        ContextError: A path is not in the context.
        FetchError: A file cannot be had.
        NotCachedError: Nothing may be done, and a file would have to be fetched to know what is in it.
    """
    paths = [expanded(path) for path in copy.paths]
    async with site.workshop.directory() as directory:
        remote = [await _remote(url, expanded, copy, directory, site) for url in paths if REMOTE.match(url)]
        local = _local([path for path in paths if not REMOTE.match(path)], expanded, copy, site)
        yield Brought(local, remote, directory, unpack=copy.unpack)


def _local(paths: list[str], expanded: Callable[[str], str], copy: Copy, site: Site) -> Selection:
    selection = site.context.select(paths) if paths else NOTHING
    if copy.excluded:
        selection = selection.without(map(expanded, copy.excluded))
    inline = {each.name: _content(each, expanded) for each in copy.heredocs}
    return selection.with_files(inline) if inline else selection


def _content(heredoc: Heredoc, expanded: Callable[[str], str]) -> bytes:
    return (heredoc.content if heredoc.literal else expanded(heredoc.content)).encode(
        "utf-8", "surrogateescape"
    )


async def _remote(
    url: str, expanded: Callable[[str], str], copy: Copy, directory: Path, site: Site
) -> _Remote:
    """Without a checksum only the file itself tells what it is."""
    name = name_of(url) if copy.destination.endswith("/") else "file"
    if copy.checksum:
        return _Remote(url, name, check_form(expanded(copy.checksum)))
    site.log.line(f"fetching {url}")
    found = await asyncio.to_thread(fetch, url, directory)
    return _Remote(url, name, found.digest, found.path)
