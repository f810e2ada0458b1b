"""Proxies: which one leads where, and how to be let through.

Every connection goes through in the same way, REST, files and WebSockets, plain and encrypted: `CONNECT` for an HTTP
proxy, the handshake of RFC 1928 and 1929 for a SOCKS one. What follows is as if there were no proxy.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from ..errors import DaytonaValidationError
from . import http1
from .pool import Origin

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

__all__ = ["Proxies", "Proxy", "ProxyError", "check_connected", "connect_request", "socks5"]

_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_LOOPBACK: Final = ("localhost", "127.0.0.0/8", "::1")


class ProxyError(Exception):
    """The proxy did not let us through.

    Args:
        message: Why, and what to do about it.
        passing: Whether it may let us through another time.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class Proxy(NamedTuple):
    """A proxy and who we are to it."""

    scheme: str
    host: str
    port: int
    credentials: tuple[str, str] | None

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """Return the proxy at *url*, such as `http://user:password@host:3128` or `socks5://host`.

        Raises:
            DaytonaValidationError: It is not the URL of a proxy that can be used.
        """
        # A message must not repeat the URL: there may be a password in it.
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
        except ValueError as error:
            raise DaytonaValidationError(f"this is not the URL of a proxy: {error}") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise DaytonaValidationError(
                f"{parts.scheme}://{parts.hostname or ''} is not an http, https or socks5 proxy"
            )
        credentials = None
        if parts.username is not None:
            credentials = (unquote(parts.username), unquote(parts.password or ""))
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], credentials)

    def __repr__(self) -> str:
        return f"Proxy({self.address})"

    @property
    def address(self) -> str:
        """Its URL without the credentials, for people."""
        return f"{self.scheme}://{_bracketed(self.host)}:{self.port}"

    @property
    def origin(self) -> Origin:
        """Where to connect to reach it."""
        return Origin("https" if self.scheme == "https" else "http", self.host, self.port)

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS."""
        return self.scheme.startswith("socks")


class Proxies:
    """The proxies of a client.

    Args:
        proxy: One for everything; None takes those of the environment.
        no_proxy: Hosts to reach directly, as in the variable NO_PROXY; None takes that.
        environ: The environment.

    Raises:
        DaytonaValidationError: What should be the URL of a proxy is none.
    """

    def __init__(self, proxy: str | None, no_proxy: str | None, environ: Mapping[str, str]) -> None:
        self._by_scheme: dict[str, Proxy] = {}
        for scheme in ("http", "https"):
            url = proxy or _variable(environ, f"{scheme}_proxy") or _variable(environ, "all_proxy")
            if url:
                self._by_scheme[scheme] = Proxy.parse(url)
        listed = no_proxy if no_proxy is not None else _variable(environ, "no_proxy") or ""
        self._direct = [*_LOOPBACK, *(entry.strip().lower() for entry in listed.split(",") if entry.strip())]

    def for_origin(self, origin: Origin) -> Proxy | None:
        """Return the proxy on the way to *origin*, None when there is none; this machine is always direct."""
        proxy = self._by_scheme.get(origin.scheme)
        if proxy is None or any(_covers(entry, origin) for entry in self._direct):
            return None
        return proxy


def _variable(environ: Mapping[str, str], name: str) -> str | None:
    # Lower case wins, as everywhere. HTTP_PROXY in capitals can be set by a web request where a CGI server runs us.
    upper = None if name == "http_proxy" and "REQUEST_METHOD" in environ else environ.get(name.upper())
    return environ.get(name) or upper or None


def _covers(entry: str, origin: Origin) -> bool:
    """Return whether an entry of NO_PROXY (a name, a domain, an address, a network, `*`) covers *origin*."""
    host = origin.host.lower().rstrip(".")
    if entry == "*":
        return True
    if "/" in entry:
        return _in_network(host, entry)
    name, _, port = entry.partition(":") if entry.count(":") == 1 else (entry, "", "")
    if port and port != str(origin.port):
        return False
    name = name.removeprefix("*").strip("[].")
    return host == name or host.endswith(f".{name}")


def _in_network(host: str, network: str) -> bool:
    from ipaddress import ip_address, ip_network  # only who has a proxy pays for it

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


def connect_request(origin: Origin, credentials: tuple[str, str] | None) -> bytes:
    """Return the request for a tunnel to *origin*; the answer is read as that to a CONNECT."""
    target = f"{_bracketed(origin.host)}:{origin.port}"
    fields = [("Host", target)]
    if credentials is not None:
        token = base64.b64encode(":".join(credentials).encode()).decode("ascii")
        fields.append(("Proxy-Authorization", f"Basic {token}"))
    return http1.encode_head("CONNECT", target, http1.encode_fields(fields))


def check_connected(status: int, reason: str) -> None:
    """Check the answer to a `connect_request`.

    Raises:
        ProxyError: It was refused.
    """
    if 200 <= status < 300:
        return
    if status == 407:
        raise ProxyError(f"407 {reason}: {_CHECK_CREDENTIALS}")
    raise ProxyError(f"{status} {reason}", passing=status in (429, 502, 503, 504))


_CHECK_CREDENTIALS: Final = (
    "check the user name and the password in the proxy's URL, as in http://user:password@host:port"
)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def socks5(origin: Origin, credentials: tuple[str, str] | None) -> Generator[tuple[bytes, int], bytes]:
    """Ask a SOCKS proxy for a tunnel to *origin*: yields what to send and how many bytes to read, and is sent those.

    The name is resolved by the proxy. The exchange is over when the generator is. A proxy that closes the connection has
    sent fewer bytes than it should have: those are passed in.

    Raises:
        ProxyError: It refused.
    """
    offered = b"\0" if credentials is None else b"\0\2"
    version, chosen = _whole((yield bytes((5, len(offered))) + offered, 2), 2)
    if version != 5:
        raise ProxyError("it does not speak SOCKS 5")
    if chosen not in offered:
        raise ProxyError(f"it accepts none of our ways to log in: {_CHECK_CREDENTIALS}")
    # There are proxies that hang up on a wrong password instead of saying so.
    if chosen == 2 and credentials is not None and (yield _login(*credentials), 2)[1:] != b"\0":
        raise ProxyError(f"it does not accept the user name and the password: {_CHECK_CREDENTIALS}")
    request = b"\5\1\0" + _socks_address(origin.host) + origin.port.to_bytes(2, "big")
    reply = _whole((yield request, 5), 5)
    if reply[0] != 5:
        raise ProxyError("it does not speak SOCKS 5")
    if reply[1]:
        raise ProxyError(_SOCKS_ERRORS.get(reply[1], f"error {reply[1]}"), passing=reply[1] in _PASSING)
    rest = {1: 3, 4: 15, 3: reply[4]}.get(reply[3], 0) + 2
    _whole((yield b"", rest), rest)


def _whole(reply: bytes, size: int) -> bytes:
    if len(reply) < size:
        raise ProxyError("it closed the connection", passing=True)
    return reply


def _login(user: str, password: str) -> bytes:
    """Return the request of RFC 1929."""
    parts = [part.encode() for part in (user, password)]
    if any(len(part) > 255 for part in parts):
        raise ProxyError("SOCKS has no room for a user name or a password of more than 255 bytes")
    return b"\1" + b"".join(bytes((len(part),)) + part for part in parts)


def _socks_address(host: str) -> bytes:
    """Return a destination: an address as it is, and a name for the proxy to resolve."""
    from ipaddress import ip_address  # only who has a proxy pays for it

    try:
        packed = ip_address(host).packed
    except ValueError:
        pass
    else:
        return (b"\1" if len(packed) == 4 else b"\4") + packed
    try:
        name = host.encode("idna")
    except UnicodeError:
        name = b""
    if not 0 < len(name) < 256:
        raise ProxyError(f"{host!r} is not the name of a host")
    return b"\3" + bytes((len(name),)) + name


_SOCKS_ERRORS: Final = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "timed out",
    7: "command not supported",
    8: "address type not supported",
}
_PASSING: Final = (1, 3, 4, 5, 6)
"""Errors about the way and the destination, which may be another one the next time."""
