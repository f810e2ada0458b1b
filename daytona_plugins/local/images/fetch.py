"""Files from the network for ADD: each is read once, hashed as it comes, and kept for one build."""

from __future__ import annotations

import hashlib
import posixpath
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.error import URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE: Final = 30.0
READ_SIZE: Final = 256 * 1024
_CHECKSUM: Final = re.compile(r"sha256:[0-9a-f]{64}")


class FetchError(Exception):
    """A file could not be had, or is not the one that was meant."""


class Fetched(NamedTuple):
    """A file that came from the network."""

    path: Path
    digest: str


def name_of(url: str) -> str:
    """Return the name that a file gets in a directory.

    Raises:
        FetchError: The address ends with none.
    """
    name = posixpath.basename(unquote(urlsplit(url).path))
    if not name or name in (".", ".."):
        raise FetchError(f"{url} has no name of a file; give it one in the destination")
    return name


def check_form(checksum: str) -> str:
    """Return a checksum of the one kind that ADD knows.

    Raises:
        FetchError: It is none.
    """
    if not _CHECKSUM.fullmatch(checksum):
        raise FetchError(f"{checksum!r} is no checksum; it begins with sha256: and has 64 digits")
    return checksum


def fetch(url: str, directory: Path, checksum: str = "") -> Fetched:
    """Return the file at *url*, written to *directory* under a name of its own.

    Raises:
        FetchError: It could not be read, or its checksum is another one.
    """
    found = hashlib.sha256()
    path = directory / hashlib.sha256(url.encode()).hexdigest()
    request = Request(url, headers={"Accept-Encoding": "identity"})  # noqa: S310 (the parser lets http and https through)
    try:
        with urlopen(request, timeout=PATIENCE) as answer, path.open("wb") as file:  # noqa: S310
            while piece := answer.read(READ_SIZE):
                found.update(piece)
                file.write(piece)
    except (URLError, TimeoutError, ConnectionError, ValueError) as error:
        raise FetchError(f"{url}: {error.reason if type(error) is URLError else error}") from error
    digest = f"sha256:{found.hexdigest()}"
    if checksum and checksum != digest:
        raise FetchError(f"{url} is {digest}, not {checksum}")
    return Fetched(path, digest)
