"""The head of a request to a proxy, read and written again: bytes in, bytes out."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

LONGEST_HEAD: Final = 64 * 1024
_HOP_BY_HOP: Final = {b"proxy-connection", b"proxy-authorization", b"keep-alive", b"host"}


class BadRequestError(Exception):
    """This is no request that a proxy can carry out."""


class Head(msgspec.Struct, frozen=True):
    """What is asked of which host."""

    method: bytes
    target: bytes
    """As the host itself expects it; empty for CONNECT."""
    host: str
    port: int
    headers: tuple[tuple[bytes, bytes], ...]

    @property
    def is_tunnel(self) -> bool:
        """Whether the rest is not for us to understand."""
        return self.method == b"CONNECT"

    def get(self, name: bytes) -> bytes:
        """Return the value of a header, empty when there is none."""
        return next((value for key, value in self.headers if key.lower() == name), b"")

    @property
    def content_length(self) -> int | None:
        """The length of the body, None when it is not told in advance."""
        return int(text) if (text := self.get(b"content-length")).isdigit() else None

    def to_bytes(self) -> bytes:
        """Return the head as the host gets it: for one request, so that the next one is looked at by us again."""
        upgrade = bool(self.get(b"upgrade"))
        kept = [
            (name, value)
            for name, value in self.headers
            if name.lower() not in _HOP_BY_HOP and (upgrade or name.lower() != b"connection")
        ]
        if not upgrade:
            kept.append((b"Connection", b"close"))
        lines = [b"%s %s HTTP/1.1" % (self.method, self.target), b"Host: " + self._authority()]
        return b"\r\n".join([*lines, *(b"%s: %s" % pair for pair in kept)]) + b"\r\n\r\n"

    def _authority(self) -> bytes:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (host if self.port in (80, 443) else f"{host}:{self.port}").encode()


def parse_head(data: bytes, *, inside: tuple[str, int] | None = None) -> Head:
    """Return the head in *data*, which ends with an empty line.

    Args:
        inside: The host and port that the tunnel leads to which it came through.

    Raises:
        BadRequestError: It is none.
    """
    first, *lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    try:
        method, target, version = first.split(b" ")
    except ValueError as error:
        raise BadRequestError("this is not HTTP") from error
    if not version.startswith(b"HTTP/1."):
        raise BadRequestError("only HTTP/1.1 is understood here")
    headers = tuple(_header(line) for line in lines)
    if inside is not None:
        return Head(method, target, *inside, headers)
    if method == b"CONNECT":
        return Head(method, b"", *_authority(target.decode("ascii", "replace"), None), headers)
    return _absolute(method, target, headers)


def _absolute(method: bytes, target: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> Head:
    url = urlsplit(target.decode("ascii", "replace"))
    if url.scheme != "http" or not url.netloc:
        raise BadRequestError("a proxy is asked for http://… or for a tunnel (CONNECT)")
    host, port = _authority(url.netloc.rpartition("@")[2], 80)
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    return Head(method, path.encode("ascii", "replace"), host, port, headers)


def _authority(text: str, default: int | None) -> tuple[str, int]:
    try:
        url = urlsplit(f"//{text}")
        host, port = url.hostname, url.port or default
    except ValueError as error:
        raise BadRequestError(f"{text!r} is no host and port") from error
    if not host or port is None:
        raise BadRequestError(f"{text!r} is no host and port")
    return host, port


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not name or name != name.strip():
        raise BadRequestError("a header is a name, a colon and a value")
    return name, value.strip()
