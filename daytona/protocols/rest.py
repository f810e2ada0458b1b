"""One REST exchange: an operation to a `Request`, a `Response` to a value or an error.

The encoding rules are those of the wire: path segments are quoted whole,
`/` stays bare in a query, booleans are lower case, lists repeat their key, None is left out, dates carry microseconds
and an offset without a colon.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import NamedTuple, TypeVar, cast, overload
from urllib.parse import quote, urlsplit

import msgspec

from ..errors import DaytonaError, DaytonaValidationError, error_from_response
from ..models._base import decoder
from . import http1
from .pool import Origin

__all__ = [
    "Body",
    "Endpoint",
    "QueryValue",
    "Request",
    "Response",
    "decode",
    "encode_json",
    "encode_query",
    "origin_of",
    "segment",
]

T = TypeVar("T")

Scalar = str | int | float | bool | datetime | Enum
QueryValue = Scalar | Iterable[str | int | float | Enum] | Mapping[str, str] | None

DEFAULT_PORTS = {"http": 80, "https": 443}


class Body(NamedTuple):
    """A request body that is sent piece by piece; *length* None sends it chunked."""

    chunks: AsyncIterator[bytes]
    length: int | None


class Request:
    """One request, ready for the wire but for its connection."""

    __slots__ = ("body", "fields", "method", "origin", "target")

    def __init__(
        self,
        method: str,
        origin: Origin,
        target: str,
        fields: bytes,
        body: bytes | Body | None = None,
    ) -> None:
        self.method = method
        self.origin = origin
        self.target = target
        self.fields = fields
        self.body = body

    def with_fields(self, fields: Iterable[tuple[str, str]]) -> Request:
        """Return the same request with more header fields."""
        return Request(
            self.method, self.origin, self.target, self.fields + http1.encode_fields(fields), self.body
        )

    @property
    def replayable(self) -> bool:
        """Whether the body can be sent a second time."""
        return not isinstance(self.body, Body)

    @property
    def upgrades(self) -> bool:
        """Whether the answer may leave HTTP."""
        return self.method == "GET" and b"\r\nUpgrade: " in self.fields

    def encode(self) -> bytes:
        """Return everything that can be sent at once: the head, and the body when it is in memory.

        Raises:
            DaytonaValidationError: A header or the path cannot be sent as it is.
        """
        try:
            head = http1.encode_head(self.method, self.target, self.fields, self._framing())
        except http1.ProtocolError as error:
            raise DaytonaValidationError(f"The request cannot be sent: {error}") from error
        return head + self.body if isinstance(self.body, bytes) else head

    def _framing(self) -> bytes:
        """Return the field that says how long the body is, or that there is none."""
        body = self.body
        if body is None:
            return b"Content-Length: 0\r\n" if self.method in ("POST", "PUT", "PATCH") else b""
        length = len(body) if isinstance(body, bytes) else body.length
        return b"Transfer-Encoding: chunked\r\n" if length is None else b"Content-Length: %d\r\n" % length


class Response:
    """A response with its body in memory."""

    __slots__ = ("_fields", "body", "status")

    def __init__(self, status: int, fields: http1.Fields | http1.Block, body: bytes) -> None:
        self.status = status
        self.body = body
        self._fields = fields

    @property
    def headers(self) -> dict[str, str]:
        """The header fields as text, by name in lower case; most answers are used without a look at them."""
        return headers_from(self._fields)


def headers_from(fields: http1.Fields | http1.Block) -> dict[str, str]:
    """Return header fields as text, by name in lower case; repeated ones are joined with a comma."""
    headers: dict[str, str] = {}
    for name, value in http1.read_fields(fields) if isinstance(fields, bytes) else fields:
        key, text = name.decode("ascii"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def origin_of(url: str) -> tuple[Origin, str]:
    """Return where *url* leads and its path without a trailing slash.

    Raises:
        DaytonaValidationError: It is not an http, https, ws or wss URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise DaytonaValidationError(f"{url!r} is not a URL: {error}") from error
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in DEFAULT_PORTS or not parts.hostname:
        raise DaytonaValidationError(
            f"{url!r} is not an http or https URL; it should look like https://host/api"
        )
    if parts.username is not None:
        raise DaytonaValidationError("A URL with a user name or password is refused: set the key instead")
    return Origin(scheme, parts.hostname, port or DEFAULT_PORTS[scheme]), parts.path.rstrip("/")


def host_header(origin: Origin) -> str:
    """Return the Host header for *origin*: the port only when it is not the scheme's own."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return host if origin.port == DEFAULT_PORTS[origin.scheme] else f"{host}:{origin.port}"


def segment(text: str) -> str:
    """Return *text* as one segment of a path: even `/` is quoted."""
    return quote(text, safe="", errors="surrogateescape")


def encode_query(query: Mapping[str, QueryValue]) -> str:
    """Return the query string with its `?`, or nothing when every value is None."""
    pairs = [f"{quote(key)}={_quoted(item)}" for key, value in query.items() for item in _items(value)]
    return f"?{'&'.join(pairs)}" if pairs else ""


def _items(value: QueryValue) -> Iterable[Scalar]:
    if value is None:
        return ()
    if isinstance(value, Mapping):
        import json  # few queries hold one; msgspec writes it without the blanks that other clients send

        return (json.dumps(dict(cast("Mapping[str, str]", value))),)
    return (value,) if isinstance(value, Scalar) else value


def _quoted(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        value = str(value.value)
    if isinstance(value, datetime):
        value = value.strftime("%Y-%m-%dT%H:%M:%S.%f%z")
    return quote(str(value), errors="surrogateescape")


def encode_json(value: object) -> bytes:
    """Return *value* as JSON.

    Raises:
        DaytonaValidationError: JSON cannot carry it.
    """
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, TypeError) as error:
        raise DaytonaValidationError(f"JSON cannot carry this: {error}") from error


class Endpoint:
    """A REST service: where it is, and the headers that every request to it carries."""

    __slots__ = ("_blocks", "_headers", "base_url", "origin", "path")

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        self.base_url = base_url
        self.origin, self.path = origin_of(base_url)
        self._headers = dict(headers)
        self._blocks: dict[tuple[str | None, str | None], bytes] = {}

    @property
    def token(self) -> str:
        """The credential, for where it does not go into a header."""
        return self._headers.get("Authorization", "").removeprefix("Bearer ")

    def at(self, base_url: str) -> Endpoint:
        """Return the same service's headers at another place."""
        return Endpoint(base_url, self._headers)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, QueryValue] | None = None,
        json: object = None,
        body: bytes | Body | None = None,
        content_type: str | None = None,
        accept: str | None = "application/json",
        extra: Iterable[tuple[str, str]] = (),
    ) -> Request:
        """Return a request for *path* below the base.

        *json* is encoded as it is, None keys already left out; *extra* are header fields of this request alone.
        """
        target = f"{self.path}{path}{encode_query(query)}" if query else f"{self.path}{path}"
        if json is not None:
            body, content_type = encode_json(json), "application/json"
        fields = self._block(accept, content_type)
        if extra:
            fields += http1.encode_fields(extra)
        return Request(method, self.origin, target, fields, body)

    def _block(self, accept: str | None, content_type: str | None) -> bytes:
        block = self._blocks.get((accept, content_type))
        if block is None:
            fields = [("Host", host_header(self.origin)), *self._headers.items()]
            if accept is not None:
                fields.append(("Accept", accept))
            if content_type is not None:
                fields.append(("Content-Type", content_type))
            try:
                block = http1.encode_fields(fields)
            except http1.ProtocolError as error:
                raise DaytonaValidationError(f"The client's configuration cannot be sent: {error}") from error
            if len(self._blocks) < 16:  # the boundary of an upload is of no use to another one
                self._blocks[accept, content_type] = block
        return block


@overload
def decode(request: Request, response: Response, into: None) -> None: ...
@overload
def decode(request: Request, response: Response, into: type[T]) -> T: ...
def decode(request: Request, response: Response, into: type[T] | None) -> T | None:
    """Return the body of a 2xx answer as *into*.

    Raises:
        DaytonaError: The class that belongs to the status and code; for a
            2xx answer that is not what it should be, the root class with the beginning of the body in the message.
    """
    if not 200 <= response.status < 300:
        raise error_from_response(
            response.status, response.headers, response.body, method=request.method, path=request.target
        )
    if into is None:
        return None
    try:
        return decoder(into).decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if response.headers.get("content-type", "").startswith("text/html"):
            raise _not_an_answer(
                request, response, "with a web page; does the API URL end in /api?"
            ) from error
        raise _not_an_answer(
            request, response, f"with something that is not {_name(into)} ({error})"
        ) from error


def _not_an_answer(request: Request, response: Response, what: str) -> DaytonaError:
    beginning = response.body[:200].decode("utf-8", "replace")
    return DaytonaError(
        f"{request.method} {request.target.partition('?')[0]} was answered {what}: {beginning!r}",
        status_code=response.status,
        headers=response.headers,
        method=request.method,
        path=request.target,
    )


def _name(into: object) -> str:
    return getattr(into, "__name__", str(into))
