"""Pulls images from a registry, as the OCI distribution specification has it: a manifest by tag or digest, blobs by digest.

Only registries that somebody named are ever asked: the one in an image's name, or a mirror that the user trusts.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import msgspec

from daytona_plugins.local.images.oci import LARGEST_DOCUMENT, Descriptor, Manifest, assemble, checked, decode
from daytona_plugins.local.images.unpack import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from daytona_plugins.local.images.image import Image
    from daytona_plugins.local.images.layers import Layers
    from daytona_plugins.local.images.logins import Login

    FindLogin = Callable[[str], Login | None]

PATIENCE: Final = 30.0
ACCEPTED: Final = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_LOOPBACK: Final = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")
_HUB: Final = "https://registry-1.docker.io"
_HUB_NAMES: Final = ("https://docker.io", "https://index.docker.io")
"""What images call Docker Hub; neither is where it answers, and its own images lie in `library/` there."""
_PART: Final = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(f"{_PART}(/{_PART})*")
_HOST: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])(:\d+)?")
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')


class PullError(Exception):
    """A registry does not answer, or has no such image."""


class Reference(NamedTuple):
    """An image's name, taken apart."""

    registry: str
    """Empty when the name does not say."""
    repository: str
    tag: str
    digest: str

    @property
    def version(self) -> str:
        """What to ask for: a digest counts more than a tag."""
        return self.digest or self.tag


def parse_reference(name: str) -> Reference:
    """Return the parts of a name.

    Raises:
        PullError: It is no name of an image.
    """
    first, slash, rest = name.partition("/")
    registry, path = (
        (first, rest) if slash and (set(first) & {".", ":"} or first == "localhost") else ("", name)
    )
    path, _, digest = path.partition("@")
    repository, _, tag = path.partition(":")
    if not _REPOSITORY.fullmatch(repository) or (registry and not _HOST.fullmatch(registry)):
        raise PullError(f"{name!r} is no name of an image")
    return Reference(registry, repository, tag or "latest", digest)


def pull(name: str, layers: Layers, mirror: str = "", login: FindLogin = lambda _address: None) -> Image:
    """Return the image *name* from the registry in it, or from *mirror*, its layers unpacked.

    Args:
        name: The image.
        layers: Where they are kept.
        mirror: The address of another registry to ask.
        login: Returns who we are at a registry, given its address.

    Raises:
        PullError: The registry does not answer or has no such image.
        ArchiveError: What it sent is not what its digest says.
    """
    reference = parse_reference(name)
    address = mirror or _address(reference.registry)
    registry = _Registry(address, reference.repository, login(address))
    content = registry.manifest(reference.version)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if reference.digest and checked(reference.digest) != digest:
        raise ArchiveError(f"the registry sent {digest} for {reference.digest}")
    resolved = f"{name.partition('@')[0]}@{digest} from {registry.address}"
    return assemble(registry, decode(content, Manifest), layers, resolved)


def _address(registry: str) -> str:
    """Only this machine's own registries may do without TLS."""
    return f"{'http' if _LOOPBACK.fullmatch(registry) else 'https'}://{registry}"


class _Registry:
    """One repository of one registry; says who we are when it is asked to."""

    def __init__(self, address: str, repository: str, login: Login | None) -> None:
        self.address = _HUB if address in _HUB_NAMES else address.rstrip("/")
        self._repository = (
            f"library/{repository}" if self.address == _HUB and "/" not in repository else repository
        )
        self._login = login
        self._authorization = ""

    def manifest(self, version: str) -> bytes:
        """Return a manifest or an index as it was sent."""
        with self._get(f"manifests/{version}") as answer:
            content = answer.read(LARGEST_DOCUMENT + 1)
        if len(content) > LARGEST_DOCUMENT:
            raise ArchiveError("the manifest is too large")
        return content

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Generator[IO[bytes]]:
        """Open a blob; manifests, which an index names, lie elsewhere than other blobs."""
        kind = (
            "manifests"
            if "manifest" in descriptor.media_type or "index" in descriptor.media_type
            else "blobs"
        )
        with self._get(f"{kind}/{checked(descriptor.digest)}") as answer:
            yield answer

    @contextmanager
    def _get(self, path: str) -> Generator[IO[bytes]]:
        url = f"{self.address}/v2/{self._repository}/{path}"
        try:
            with self._open(url) as answer:
                yield answer
        except HTTPError as error:
            raise PullError(f"{url}: {error.code} {error.reason}{self._hint(error.code)}") from error
        except (URLError, TimeoutError, ConnectionError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            raise PullError(f"the registry {self.address} does not answer: {reason}") from error

    def _hint(self, status: int) -> str:
        if status not in (401, 403):
            return ""
        if self._login is not None:
            return f"; it does not let {self._login.username!r} have it"
        return "; give this platform a login for it (POST /docker-registry), or the image does not exist"

    def _open(self, url: str) -> IO[bytes]:
        try:
            return _request(url, self._authorization)
        except HTTPError as error:
            if error.code != 401 or self._authorization:
                raise
            self._authorization = self._answer(error.headers.get("WWW-Authenticate", ""))
            if not self._authorization:
                raise
            error.close()
        return _request(url, self._authorization)

    def _answer(self, challenge: str) -> str:
        """Return what proves who we are, in the way that the registry asks for."""
        scheme = challenge.partition(" ")[0].lower()
        if scheme == "bearer":
            return _ask_for_token(dict(_CHALLENGE.findall(challenge)), self._login)
        return self._login.basic if scheme == "basic" and self._login is not None else ""


def _ask_for_token(challenge: dict[str, str], login: Login | None) -> str:
    """Ask as somebody, or as nobody in particular: what everybody may pull needs a token all the same."""
    realm = urlsplit(challenge.get("realm", ""))
    if login is not None and realm.scheme != "https" and not _LOOPBACK.fullmatch(realm.netloc):
        raise PullError(f"{realm.geturl()!r} asks for a password without TLS")
    wanted = {name: value for name, value in challenge.items() if name in ("service", "scope")}
    query = urlencode(wanted)
    with _request(f"{realm.geturl()}?{query}", login.basic if login else "") as answer:
        found = msgspec.json.decode(answer.read(LARGEST_DOCUMENT), type=dict[str, object])
    return f"Bearer {found.get('token') or found.get('access_token') or ''}"


def _request(url: str, authorization: str) -> IO[bytes]:
    if urlsplit(url).scheme not in ("http", "https"):
        raise PullError(f"{url!r} is no address of a registry")
    request = Request(url, headers={"Accept": ACCEPTED})  # noqa: S310 (checked above)
    if authorization:  # not sent on to wherever a blob is redirected to
        request.add_unredirected_header("Authorization", authorization)
    answer: IO[bytes] = urlopen(request, timeout=PATIENCE)  # noqa: S310 (checked above)
    return answer
