"""`Host: <port>-<sandbox or token>.<anything>`: shows a port of a sandbox, and the routes that say where.

Browsers and curl resolve every name below `localhost` to this machine, so `3000-<sandbox>.localhost:<port>` is an address
that works as it is. Other programs ask the C library, which resolves them on some machines only. For the others a preview
may have an address of its own instead of a name (`preview_addresses`); a signed token is then in the query.

Who may see it is found out in the protocol's order: the platform's key, the sandbox's token in a header, in the query or
in a cookie, and a signed token. What served to get in does not go further in. A token in the query is answered with a
cookie as well, because pages ask for more without it. The cookie ends with the token: that of a sandbox changes at
every start.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, NamedTuple

from daytona_plugins.local.agent.whole_numbers import whole_number
from daytona_plugins.local.forwarding import headers_for
from daytona_plugins.local.platform.auth import same
from daytona_plugins.local.platform.preview_addresses import (
    AddressRecord,
    PreviewAddresses,
    signed_target,
    split_target,
)
from daytona_plugins.local.platform.preview_tokens import (
    DEFAULT,
    LONGEST,
    SHORTEST,
    PreviewTokens,
    TokenRecord,
)
from daytona_plugins.local.platform.proxy import PREVIEW_HEADER, PREVIEW_PARAMETER, without_parameter
from daytona_plugins.local.web import HTTPError, Response, json_response, text_response

if TYPE_CHECKING:
    from daytona_plugins.local.platform.keys import Keys
    from daytona_plugins.local.platform.proxy import Proxy
    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.sandboxes import Sandboxes
    from daytona_plugins.local.platform.site import Site
    from daytona_plugins.local.web import Request, Router

TOOLBOX_PORT = 2280
NEVER_PUBLIC = frozenset({22222, TOOLBOX_PORT, 33333})
COOKIE_LIFETIME = 3600

_HOST = re.compile(r"(?P<port>\d{1,5})-(?P<name>[a-z0-9-]+)\..+", re.IGNORECASE)


class Place(NamedTuple):
    """What the host of a request says: a port, and a sandbox or a token."""

    port: int
    name: str
    by_address: bool = False
    """Whether it is an address, which cannot say a token."""


class _Admission(NamedTuple):
    """Why a request may come in, and what of it stays outside."""

    record: Record
    withheld: tuple[str, ...] = ()
    query: str | None = None
    """The query without the token that was in it, when that is what served."""


class Previews:
    """The previews of all sandboxes."""

    def __init__(self, site: Site, keys: Keys, sandboxes: Sandboxes, proxy: Proxy) -> None:
        self._site = site
        self._keys = keys
        self._sandboxes = sandboxes
        self._proxy = proxy
        self._tokens = PreviewTokens(sandboxes.store.shelf("preview token", TokenRecord), sandboxes.clock)
        shelf = sandboxes.store.shelf("preview address", AddressRecord)
        self._addresses = PreviewAddresses(
            shelf, lambda sandbox_id: sandboxes.look_up(sandbox_id) is not None
        )

    def add_to(self, router: Router) -> None:
        """Register every route."""
        one = "/api/sandbox/{sandbox}/ports/{port}"
        router.add("GET", f"{one}/preview-url", self.url)
        router.add("GET", f"{one}/signed-preview-url", self.signed_url)
        router.add("POST", f"{one}/signed-preview-url/{{token}}/expire", self.expire)
        router.add("GET", "/api/preview/{sandbox}/public", self.is_public)
        router.add("GET", "/api/preview/{sandbox}/access", self.is_accessible)
        router.add("GET", "/api/preview/{sandbox}/validate/{token}", self.is_opened_by)
        router.add("GET", "/api/preview/{sandbox}/preview-warning", self.warning)
        router.add("GET", "/api/preview/{token}/{port}/sandbox-id", self.sandbox_of)

    # -- Addresses ------------------------------------------------------------------------------------------------

    async def url(self, request: Request) -> Response:
        """Say where a port of the sandbox is shown, and the token that opens it."""
        record = self._sandboxes.find(request.params["sandbox"])
        port = _port(request.params["port"])
        url = self._url_by_address(port, record) or self._site.preview_url(port, record.id)
        return json_response({"sandboxId": record.id, "url": url, "token": record.auth_token})

    async def signed_url(self, request: Request) -> Response:
        """Return an address that opens a port by itself for a while."""
        record = self._sandboxes.find(request.params["sandbox"])
        port = _port(request.params["port"])
        issued = self._tokens.issue(record.id, port, _lifetime(request.query.first("expiresInSeconds")))
        by_address = self._url_by_address(port, record)
        if by_address:
            url = f"{by_address}{signed_target(issued.token)}"
        else:
            url = self._site.preview_url(port, issued.token)
        return json_response({"sandboxId": record.id, "port": port, "token": issued.token, "url": url})

    async def expire(self, request: Request) -> Response:
        """End such an address before its time."""
        record = self._sandboxes.find(request.params["sandbox"])
        self._tokens.expire(record.id, _port(request.params["port"]), request.params["token"])
        return Response(201)

    def _url_by_address(self, port: int, record: Record) -> str:
        if not self._site.previews_by_address:
            return ""
        return f"http://{self._addresses.of(record.id, port)}:{self._site.port}"

    # -- What a proxy asks ----------------------------------------------------------------------------------------

    async def is_public(self, request: Request) -> Response:
        """Say that a sandbox is public; one that is not is not found."""
        return _true_if(self._sandboxes.get(request.params["sandbox"]).public)

    async def is_accessible(self, request: Request) -> Response:
        """Say that whoever asks may see a sandbox: the key opens all of them."""
        sandbox = request.params["sandbox"]
        if self._sandboxes.look_up(sandbox) is None and sandbox in self._sandboxes.departed:
            raise HTTPError(404, f"sandbox {sandbox!r} was deleted", code="SANDBOX_DESTROYED")
        return _true_if(bool(self._sandboxes.get(sandbox)))

    async def warning(self, request: Request) -> Response:
        """Say that no page is shown before a preview."""
        self._sandboxes.get(request.params["sandbox"])
        return json_response({"enabled": False})

    async def is_opened_by(self, request: Request) -> Response:
        """Say that a token opens a sandbox."""
        record = self._sandboxes.get(request.params["sandbox"])
        return _true_if(same(request.params["token"], record.auth_token))

    async def sandbox_of(self, request: Request) -> Response:
        """Return the sandbox that a signed token opens a port of."""
        found = self._tokens.find(_port(request.params["port"]), request.params["token"])
        if found is None:
            raise HTTPError(403, "the token is not good for this port, or has expired")
        return text_response(found.sandbox_id)

    # -- Showing --------------------------------------------------------------------------------------------------

    def place_of(self, request: Request) -> Place | None:
        """Return the preview that a request is for, None when it is for the platform itself."""
        host = request.headers.get("host") or ""
        if found := _HOST.fullmatch(host):
            return Place(int(found["port"]), found["name"].lower())
        if shown := self._addresses.find(host):
            return Place(shown.port, shown.sandbox_id, by_address=True)
        return None

    async def show(self, request: Request, place: Place) -> Response:
        """Answer as the program behind a port does.

        Raises:
            HTTPError: No credentials (401), no such sandbox (404), or one that is not started (400).
        """
        token, target = self._without_signature(request, place)
        admitted = self._admitted(request, place, signed=bool(token))
        if admitted.query is not None:
            target = f"{request.raw_path}?{admitted.query}" if admitted.query else request.raw_path
        answer = await self._proxy.pass_on(
            request,
            admitted.record,
            target if place.port == TOOLBOX_PORT else f"/proxy/{place.port}{target}",
            _headers(request, place, admitted.withheld),
        )
        if admitted.query is not None:
            answer.headers.append(("Set-Cookie", self._new_cookie(place, admitted.record)))
        if token:
            answer.headers.append(("Set-Cookie", _cookie(place, token)))
        return answer

    def _without_signature(self, request: Request, place: Place) -> tuple[str, str]:
        """Return the signed token in the query, if there is one that opens the place, and the target without it."""
        if place.by_address:
            token, target = split_target(request.raw_target)
            if self._opens(token, place):
                return token, target
        return "", request.raw_target

    def _admitted(self, request: Request, place: Place, *, signed: bool) -> _Admission:
        in_name = None if place.by_address else self._tokens.find(place.port, place.name)
        record = self._sandboxes.look_up(in_name.sandbox_id if in_name else place.name)
        if self._keys.opens_sandboxes(request):
            if record is None:
                raise HTTPError(404, f"sandbox {place.name!r} not found")
            return _Admission(record, withheld=("authorization",))
        if record is None:
            raise HTTPError(401, "Invalid credentials")
        if same(request.headers.get(PREVIEW_HEADER) or "", record.auth_token):
            return _Admission(record)
        if same(request.query.first(PREVIEW_PARAMETER), record.auth_token):
            return _Admission(record, query=without_parameter(request.query_string, PREVIEW_PARAMETER))
        if signed or in_name or self._has_cookie(request, place, record):
            return _Admission(record)
        if record.public and place.port not in NEVER_PUBLIC:
            return _Admission(record)
        raise HTTPError(401, "Invalid credentials")

    # -- The cookie -----------------------------------------------------------------------------------------------

    def _new_cookie(self, place: Place, record: Record) -> str:
        until = int(self._sandboxes.clock()) + COOKIE_LIFETIME
        value = f"{until}.{self._seal(place, record, str(until))}"
        return _cookie(place, value)

    def _has_cookie(self, request: Request, place: Place, record: Record) -> bool:
        value = dict(_cookies(request)).get(_cookie_name(place), "")
        if place.by_address and self._opens(value, place):
            return True
        until, _, seal = value.partition(".")
        if (whole_number(until) or 0) < self._sandboxes.clock():
            return False
        return same(seal, self._seal(place, record, until))

    def _opens(self, token: str, place: Place) -> bool:
        found = self._tokens.find(place.port, token)
        return found is not None and found.sandbox_id == place.name

    def _seal(self, place: Place, record: Record, until: str) -> str:
        text = f"preview cookie\n{place.port}\n{record.id}\n{record.auth_token}\n{until}"
        return hmac.digest(self._site.key.encode(), text.encode(), "sha256").hex()


def _true_if(condition: bool) -> Response:
    if not condition:
        raise HTTPError(404, "not found")
    return text_response("true")


def _headers(request: Request, place: Place, withheld: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return what the program gets to see: everything but what was meant for us."""
    passed = headers_for(request, without=(PREVIEW_HEADER, "cookie", *withheld))
    own = _cookie_name(place)
    kept = "; ".join(f"{name}={value}" for name, value in _cookies(request) if name != own)
    return [*passed, ("cookie", kept)] if kept else passed


def _cookie(place: Place, value: str) -> str:
    return f"{_cookie_name(place)}={value}; Max-Age={COOKIE_LIFETIME}; Path=/; HttpOnly; SameSite=Lax"


def _cookie_name(place: Place) -> str:
    return f"daytona-sandbox-auth-{place.name}"


def _cookies(request: Request) -> list[tuple[str, str]]:
    parts = [part.strip() for line in request.headers.all("cookie") for part in line.split(";")]
    pairs = [part.partition("=") for part in parts if part]
    return [(name, value) for name, _, value in pairs]


def _port(text: str) -> int:
    port = whole_number(text)
    if port is None or not 1 <= port <= 65535:
        raise HTTPError(400, "a port is a number from 1 to 65535")
    return port


def _lifetime(text: str) -> int:
    if not text:
        return DEFAULT
    seconds = whole_number(text)
    if seconds is None or not SHORTEST <= seconds <= LONGEST:
        raise HTTPError(400, f"expiresInSeconds is a number from {SHORTEST} to {LONGEST}")
    return seconds
