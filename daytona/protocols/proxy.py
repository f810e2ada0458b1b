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

__all__ = ["Proxies", "Proxy", "ProxyError", "connect_request", "socks5"]

_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_LOOPBACK: Final = ("localhost", "127.0.0.0/8", "::1")


class ProxyError(Exception):
    """The proxy did not let us through."""


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
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in _PORTS or not parts.hostname:
            raise DaytonaValidationError(
                f"{parts.scheme}://{parts.hostname or ''} is not an http or socks5 proxy"
            )
        credentials = None
        if parts.username is not None:
            credentials = (unquote(parts.username), unquote(parts.password or ""))
        return cls(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme], credentials)

    def __repr__(self) -> str:
        return f"Proxy({self.scheme}://{self.host}:{self.port})"

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
    """

    def __init__(self, proxy: str | None, no_proxy: str | None, environ: Mapping[str, str]) -> None:
        by_scheme = {
            scheme: proxy or _variable(environ, f"{scheme}_proxy") or _variable(environ, "all_proxy")
            for scheme in ("http", "https")
        }
        self._by_scheme = {scheme: Proxy.parse(url) for scheme, url in by_scheme.items() if url}
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
    name = name.removeprefix("*").lstrip(".")
    return host == name or host.endswith(f".{name}")


def _in_network(host: str, network: str) -> bool:
    from ipaddress import ip_address, ip_network  # only who has a proxy pays for it

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


def connect_request(origin: Origin, credentials: tuple[str, str] | None) -> bytes:
    """Return the request for a tunnel to *origin*; the answer is read as that to a CONNECT."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    fields = [("Host", f"{host}:{origin.port}")]
    if credentials is not None:
        token = base64.b64encode(":".join(credentials).encode()).decode("ascii")
        fields.append(("Proxy-Authorization", f"Basic {token}"))
    return http1.encode_head("CONNECT", f"{host}:{origin.port}", http1.encode_fields(fields))


def socks5(origin: Origin, credentials: tuple[str, str] | None) -> Generator[tuple[bytes, int], bytes]:
    """Ask a SOCKS proxy for a tunnel to *origin*: yields what to send and how many bytes to read, and is sent those.

    The name is resolved by the proxy. The exchange is over when the generator is.

    Raises:
        ProxyError: It refused.
    """
    method = 0 if credentials is None else 2
    chosen = yield bytes((5, 1, method)), 2
    if chosen != bytes((5, method)):
        raise ProxyError(
            "it does not accept our way to log in" if chosen[:1] == b"\5" else "it does not speak SOCKS 5"
        )
    if credentials is not None:
        user, password = (part.encode()[:255] for part in credentials)
        if (yield bytes((1, len(user))) + user + bytes((len(password),)) + password, 2)[1:] != b"\0":
            raise ProxyError("it does not accept the user name and password")
    name = origin.host.encode("idna")
    reply = yield b"\5\1\0\3" + bytes((len(name),)) + name + origin.port.to_bytes(2, "big"), 5
    if reply[1]:
        raise ProxyError(_SOCKS_ERRORS.get(reply[1], f"error {reply[1]}"))
    yield b"", {1: 3, 4: 15, 3: reply[4]}.get(reply[3], 0) + 2


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
