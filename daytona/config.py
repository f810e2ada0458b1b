"""Where to connect and as whom.

Each value comes from the first of: the argument, the process environment, the file named by `env_file`. The working
directory is never read, so a `.env` that lies there decides nothing; and the address never comes from a file at all,
so that no file can send a key to another host.

Nothing given anywhere means this machine: the embedded platform.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Final, NamedTuple

from .errors import DaytonaAuthenticationError, DaytonaValidationError
from .models._records import Options, warn_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    import httpcore

__all__ = ["DEFAULT_API_URL", "LOCAL", "DaytonaConfig", "Settings", "resolve"]

DEFAULT_API_URL: Final = "https://app.daytona.io/api"
LOCAL: Final = "local"
"""The URL scheme, and the plugin's name, of the embedded platform."""

WIRE_VERSION: Final = "0.226.1"
"""The official release whose requests ours equal. Toolbox daemons choose their answers by this header: without it, or
with a small number of our own, they would fall back to the formats of their oldest clients."""


class DaytonaConfig(Options):
    """How a client connects; settings that are left out come from the environment.

    Args:
        api_key: API key. `DAYTONA_API_KEY`.
        api_url: Base URL of the API. `DAYTONA_API_URL`. The default is the hosted platform if there are credentials,
            and the embedded one if there are none. `local:` always means the embedded one.
        server_url: Deprecated, the former name of *api_url*.
        target: Region for new sandboxes and snapshots. `DAYTONA_TARGET`.
        jwt_token: JSON web token, instead of a key. `DAYTONA_JWT_TOKEN`.
        organization_id: Organization; required with a token. `DAYTONA_ORGANIZATION_ID`.
        connection_pool_maxsize: How many calls may be in progress at once; None sets no limit.
        otel_enabled: Whether to record operations as spans; None leaves it to `DAYTONA_OTEL_ENABLED`.
        use_deprecated_polling: Accepted and ignored, because this client always polls.
        env_file: Path of a file with `NAME=value` lines, for credentials and the target only.
        proxy: URL of the proxy for every connection, `http://`, `https://` or `socks5://`; None uses the usual variables
            (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`).
        no_proxy: Hosts to reach directly, separated by commas; None uses `NO_PROXY`, and `*` means all hosts. This
            machine is always reached directly.
        ca_file: Path of a file with the certificates to trust, instead of the system's; `SSL_CERT_FILE` does the same.
        client_cert: Path of a file with a client certificate to present to the server, and its key.
        ssl_context: Context for https connections, instead of one made from *ca_file* and *client_cert*.
        events: Whether calls that wait for a sandbox also listen for events, over a WebSocket that is open while they wait;
            they then poll less often.
        owner: A name to label every sandbox with that the client creates, for `reap`; None adds no label.
        network_backend: An httpcore network backend to connect with, instead of our own sockets: synchronous for `Daytona`,
            asynchronous for `AsyncDaytona`.
        unknown: Other options, for example those of other releases, cause a warning and are ignored.
    """

    def __init__(
        self,
        api_key: str | None = None,
        api_url: str | None = None,
        server_url: str | None = None,
        target: str | None = None,
        jwt_token: str | None = None,
        organization_id: str | None = None,
        connection_pool_maxsize: int | None = 250,
        otel_enabled: bool | None = None,
        use_deprecated_polling: bool | None = None,
        *,
        env_file: str | os.PathLike[str] | None = None,
        proxy: str | None = None,
        no_proxy: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        client_cert: str | os.PathLike[str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        network_backend: httpcore.NetworkBackend | httpcore.AsyncNetworkBackend | None = None,
        events: bool = False,
        owner: str | None = None,
        **unknown: object,
    ) -> None:
        if connection_pool_maxsize is not None and connection_pool_maxsize < 1:
            raise DaytonaValidationError(
                f"connection_pool_maxsize={connection_pool_maxsize} lets nothing through; None sets no limit"
            )
        if server_url is not None:
            warnings.warn("server_url is deprecated; use api_url", DeprecationWarning, stacklevel=2)
        if use_deprecated_polling:
            warnings.warn("use_deprecated_polling has no effect", DeprecationWarning, stacklevel=2)
        warn_of(unknown.keys() - {"_experimental"}, DaytonaConfig)
        self.api_key = api_key
        self.api_url = api_url or server_url
        self.server_url = self.api_url
        self.target = target
        self.jwt_token = jwt_token
        self.organization_id = organization_id
        self.connection_pool_maxsize = connection_pool_maxsize
        self.otel_enabled = otel_enabled
        self.use_deprecated_polling = use_deprecated_polling
        self.env_file = env_file
        self.proxy = proxy
        self.no_proxy = no_proxy
        self.ca_file = ca_file
        self.client_cert = client_cert
        self.ssl_context = ssl_context
        self.network_backend = network_backend
        self.events = events
        self.owner = owner

    def __repr__(self) -> str:
        return f"DaytonaConfig(api_url={self.api_url!r}, target={self.target!r})"


class Settings(NamedTuple):
    """What a configuration comes to. `api_url` None stands for the embedded platform."""

    api_url: str | None
    token: str | None
    organization_id: str | None
    target: str | None
    pool_size: int | None
    otel_enabled: bool
    why: str
    """Which of the sources decided where to connect, for people."""

    def __repr__(self) -> str:
        return (
            f"Settings(api_url={self.api_url!r}, target={self.target!r}, why={self.why!r})"  # not the token
        )

    def at(self, api_url: str, api_key: str) -> Settings:
        """Return the same settings for another address and its key."""
        return self._replace(api_url=api_url, token=api_key, organization_id=None)

    def headers(self, source: str) -> dict[str, str]:
        """Return what every request carries; *source* is the name under which the server counts this client."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "X-Daytona-Source": source,
            "X-Daytona-SDK-Version": WIRE_VERSION,
            "User-Agent": f"{source}/{WIRE_VERSION} daytona-anyio",
        }
        if self.organization_id is not None:
            headers["X-Daytona-Organization-ID"] = self.organization_id
        return headers


def resolve(config: DaytonaConfig | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return what *config* comes to in *environ*.

    Raises:
        DaytonaAuthenticationError: There is an address and no credential for it, or a token and no organization.
        DaytonaValidationError: The file named by `env_file` cannot be read.
    """
    config = config or DaytonaConfig()
    values = _Values(environ, config.env_file)
    api_key = config.api_key or (None if config.jwt_token else values.get("DAYTONA_API_KEY"))
    jwt_token = config.jwt_token or values.get("DAYTONA_JWT_TOKEN")
    api_url, why = _address(config, environ)
    if not api_key and not jwt_token:
        if api_url is not None and not is_local(api_url):
            raise DaytonaAuthenticationError(
                f"No credential for {api_url} ({why}): set DAYTONA_API_KEY, or pass DaytonaConfig(api_key=...). "
                "A .env file is read only when DaytonaConfig(env_file=...) names it."
            )
        api_url, why = None, why if api_url is not None else "no credential and no address is set"
    elif api_url is None:
        api_url, why = DEFAULT_API_URL, "a credential is set and no address"
    organization_id = config.organization_id or values.get("DAYTONA_ORGANIZATION_ID")
    if jwt_token and not api_key and not organization_id:
        raise DaytonaAuthenticationError(
            "A JWT needs an organization: set DAYTONA_ORGANIZATION_ID, or pass DaytonaConfig(organization_id=...)"
        )
    return Settings(
        api_url=None if api_url is None or is_local(api_url) else api_url.rstrip("/"),
        token=api_key or jwt_token,
        organization_id=None if api_key else organization_id,
        target=config.target or values.get("DAYTONA_TARGET"),
        pool_size=config.connection_pool_maxsize,
        otel_enabled=_otel(config, environ),
        why=why,
    )


def is_local(api_url: str) -> bool:
    """Return whether *api_url* stands for the embedded platform."""
    return api_url.partition(":")[0] == LOCAL


def _address(config: DaytonaConfig, environ: Mapping[str, str]) -> tuple[str | None, str]:
    if config.api_url:
        return config.api_url, "from DaytonaConfig"
    if environ.get("DAYTONA_API_URL"):
        return environ["DAYTONA_API_URL"], "from DAYTONA_API_URL"
    if environ.get("DAYTONA_SERVER_URL"):
        warnings.warn(
            "DAYTONA_SERVER_URL is deprecated; use DAYTONA_API_URL", DeprecationWarning, stacklevel=4
        )
        return environ["DAYTONA_SERVER_URL"], "from DAYTONA_SERVER_URL"
    return None, ""


def _otel(config: DaytonaConfig, environ: Mapping[str, str]) -> bool:
    if config.otel_enabled is not None:
        return config.otel_enabled
    return "true" in (environ.get("DAYTONA_OTEL_ENABLED"), environ.get("DAYTONA_EXPERIMENTAL_OTEL_ENABLED"))


class _Values:
    """Credentials and target: the environment's, then the file's. An empty value counts as none."""

    def __init__(self, environ: Mapping[str, str], env_file: str | os.PathLike[str] | None) -> None:
        self._environ = environ
        self._file = _read(env_file) if env_file is not None else {}

    def get(self, name: str) -> str | None:
        return (self._environ[name] if name in self._environ else self._file.get(name)) or None


def _read(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the `NAME=value` lines of a file; `export`, quotes and comments are understood, nothing is expanded."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DaytonaValidationError(f"env_file {os.fspath(path)!r} cannot be read: {error}") from error
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines)
    return {
        name.strip(): _unquoted(value) for name, equals, value in pairs if equals and not name.startswith("#")
    }


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value.partition(" #")[0].rstrip()
