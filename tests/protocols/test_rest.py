"""One REST exchange: encodings of the wire, base addresses, and answers that are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, StrEnum
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given, strategies as st

from daytona.errors import DaytonaError, DaytonaNotFoundError, DaytonaValidationError
from daytona.models._base import Model
from daytona.protocols.pool import Origin
from daytona.protocols.rest import (
    Body,
    Endpoint,
    QueryValue,
    Request,
    Response,
    decode,
    encode_query,
    headers_from,
    host_header,
    origin_of,
    segment,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Order(StrEnum):
    UP = "asc"


class Number(Enum):
    ONE = 1


class Thing(Model, frozen=True):
    id: str
    size: int = 0


# -- Paths and queries --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("sb-1", "sb-1"),
        ("a/b", "a%2Fb"),
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("..", ".."),
        ("a?b#c", "a%3Fb%23c"),
        ("100%", "100%25"),
        ("caf\xe9", "caf%C3%A9"),
        ("a\r\nb", "a%0D%0Ab"),
        ("~-._", "~-._"),
        ("\udce9", "%E9"),
    ],
)
def test_a_segment_is_quoted_whole(text: str, quoted: str) -> None:
    assert segment(text) == quoted


@pytest.mark.parametrize(
    ("query", "encoded"),
    [
        ({}, ""),
        ({"a": None}, ""),
        ({"path": "/a b/c"}, "?path=/a%20b/c"),
        ({"a": "x&y=z"}, "?a=x%26y%3Dz"),
        ({"a": "+"}, "?a=%2B"),
        ({"a": ""}, "?a="),
        ({"yes": True, "no": False}, "?yes=true&no=false"),
        ({"n": 0, "f": 1.5}, "?n=0&f=1.5"),
        (
            {"labels": {"env": "dev", "a": "b"}},
            "?labels=%7B%22env%22%3A%20%22dev%22%2C%20%22a%22%3A%20%22b%22%7D",
        ),
        ({"states": ["started", "stopped"]}, "?states=started&states=stopped"),
        ({"states": []}, ""),
        ({"order": Order.UP, "n": Number.ONE}, "?order=asc&n=1"),
        (
            {"since": datetime(2026, 1, 2, 3, 4, 5, 6000, tzinfo=UTC)},
            "?since=2026-01-02T03%3A04%3A05.006000%2B0000",
        ),
        ({"since": datetime(2026, 1, 2, 3, 4, 5)}, "?since=2026-01-02T03%3A04%3A05.000000"),
        (
            {"since": datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))},
            "?since=2026-01-02T00%3A00%3A00.000000-0330",
        ),
        ({"a": None, "b": 1, "c": None}, "?b=1"),
    ],
)
def test_queries_are_encoded_as_on_the_wire(query: dict[str, QueryValue], encoded: str) -> None:
    assert encode_query(query) == encoded


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=15)


@given(st.dictionaries(words, words, max_size=4))
def test_a_server_reads_the_query_that_was_meant(query: dict[str, str]) -> None:
    assert dict(parse_qsl(encode_query(query)[1:], keep_blank_values=True)) == query


@given(words)
def test_a_server_reads_the_segment_that_was_meant(text: str) -> None:
    assert unquote(segment(text)) == text
    assert not set(segment(text)) & set("/?# \r\n")


# -- Addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "origin", "path"),
    [
        ("https://app.daytona.io/api", Origin("https", "app.daytona.io", 443), "/api"),
        ("https://app.daytona.io/api/", Origin("https", "app.daytona.io", 443), "/api"),
        ("http://localhost:3000", Origin("http", "localhost", 3000), ""),
        ("HTTP://LocalHost:3000/", Origin("http", "localhost", 3000), ""),
        ("http://[::1]:8080/x", Origin("http", "::1", 8080), "/x"),
        ("wss://proxy.example/a/b", Origin("https", "proxy.example", 443), "/a/b"),
        ("ws://proxy.example:81", Origin("http", "proxy.example", 81), ""),
    ],
)
def test_addresses_are_read(url: str, origin: Origin, path: str) -> None:
    assert origin_of(url) == (origin, path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "app.daytona.io/api",
        "ftp://host/",
        "http://",
        "http:///api",
        "http://h:99999/",
        "http://h:x/",
        "http://[::1/",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(DaytonaValidationError):
        origin_of(url)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(DaytonaValidationError) as caught:
        origin_of("https://user:hunter2@host/api")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (Origin("http", "h", 80), "h"),
        (Origin("https", "h", 443), "h"),
        (Origin("http", "h", 443), "h:443"),
        (Origin("http", "::1", 8080), "[::1]:8080"),
    ],
)
def test_the_host_header_names_a_port_only_where_it_must(origin: Origin, host: str) -> None:
    assert host_header(origin) == host


# -- Requests -----------------------------------------------------------------------------------------------------

API = Endpoint("https://host/api/", {"Authorization": "Bearer k"})


async def no_chunks() -> AsyncIterator[bytes]:
    return
    yield b""


def lines(request: Request) -> list[bytes]:
    return request.encode().partition(b"\r\n\r\n")[0].split(b"\r\n")


def test_a_get_has_neither_body_nor_length() -> None:
    assert API.request("GET", "/sandbox", query={"limit": 2}).encode() == (
        b"GET /api/sandbox?limit=2 HTTP/1.1\r\nHost: host\r\nAuthorization: Bearer k\r\nAccept: application/json\r\n\r\n"
    )


def test_fields_can_be_added_to_a_request() -> None:
    request = API.request("POST", "/x", json=1)
    more = request.with_fields([("Traceparent", "00-1")])
    assert lines(more) == [*lines(request)[:-1], b"Traceparent: 00-1", lines(request)[-1]]
    assert more.body == b"1"


@pytest.mark.parametrize(
    ("method", "fields", "upgrades"),
    [
        ("GET", [("Connection", "Upgrade"), ("Upgrade", "websocket")], True),
        ("POST", [("Connection", "Upgrade"), ("Upgrade", "websocket")], False),
        ("GET", [], False),
        ("GET", [("X-Upgrade", "websocket")], False),
    ],
)
def test_only_a_get_that_asks_for_another_protocol_may_leave_http(
    method: str, fields: list[tuple[str, str]], upgrades: bool
) -> None:
    assert API.request(method, "/x", extra=fields).upgrades is upgrades


def test_an_empty_post_says_that_it_is_empty() -> None:
    assert b"Content-Length: 0" in lines(API.request("POST", "/sandbox/x/start"))


def test_json_is_encoded_once_with_its_length() -> None:
    request = API.request("POST", "/x", json={"a": "\u20ac"})
    assert request.encode().endswith(b'\r\nContent-Length: 11\r\n\r\n{"a":"\xe2\x82\xac"}')
    assert b"Content-Type: application/json" in lines(request)
    assert request.replayable


@pytest.mark.parametrize(
    ("length", "line"),
    [(5, b"Content-Length: 5"), (0, b"Content-Length: 0"), (None, b"Transfer-Encoding: chunked")],
)
def test_a_streamed_body_says_how_it_is_framed(length: int | None, line: bytes) -> None:
    request = API.request("POST", "/x", body=Body(no_chunks(), length), content_type="text/plain")
    assert lines(request)[-1] == line
    assert not request.replayable


def test_the_same_service_elsewhere_keeps_its_headers() -> None:
    request = API.at("http://toolbox:8000/sb-1").request("GET", "/files")
    assert lines(request)[:3] == [
        b"GET /sb-1/files HTTP/1.1",
        b"Host: toolbox:8000",
        b"Authorization: Bearer k",
    ]


def test_a_toolbox_id_is_inserted_as_it_is() -> None:
    assert API.at("https://p/toolbox/sb-1").request("GET", "/version").target == "/toolbox/sb-1/version"


@pytest.mark.parametrize("key", ["a\r\nX: y", "a\nb", "\0", "\u20ac"])
def test_a_key_that_cannot_be_sent_is_a_mistake_of_the_configuration(key: str) -> None:
    with pytest.raises(DaytonaValidationError, match="configuration") as caught:
        Endpoint("http://h", {"Authorization": f"Bearer {key}"}).request("GET", "/")
    assert key not in str(caught.value)


@pytest.mark.parametrize("path", ["/a b", "/a\r\nX: y", "/\u20ac"])
def test_a_path_that_was_not_quoted_is_refused(path: str) -> None:
    with pytest.raises(DaytonaValidationError, match="cannot be sent"):
        API.request("GET", path).encode()


# -- Answers ------------------------------------------------------------------------------------------------------

GET = API.request("GET", "/thing")
JSON = [(b"content-type", b"application/json; charset=utf-8")]
HTML = [(b"content-type", b"text/html")]


def test_a_good_answer_is_decoded_and_unknown_fields_are_not_missed() -> None:
    assert decode(GET, Response(200, JSON, b'{"id":"x","size":3,"new":[]}'), Thing) == Thing("x", 3)
    assert decode(GET, Response(201, [], b'{"id":"x"}'), Thing) == Thing("x")


def test_nothing_is_asked_of_an_answer_that_is_not_wanted() -> None:
    decode(GET, Response(204, [], b""), None)
    decode(GET, Response(200, HTML, b"<html>"), None)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", JSON),
        (b"<html><body>Sign in</body></html>", HTML),
        (b"not json", JSON),
        (b'{"id":"x"', JSON),
        (b"null", JSON),
        (b"[]", JSON),
        (b'"text"', JSON),
        (b"{}", JSON),
        (b'{"id":1}', JSON),
        (b'{"id":"\xff"}', JSON),
        (b'{"id":"x"} trailing', JSON),
        (b"[" * 100_000, JSON),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_2xx_that_is_something_else_is_an_error_that_shows_it(
    body: bytes, fields: list[tuple[bytes, bytes]]
) -> None:
    with pytest.raises(DaytonaError) as caught:
        decode(GET, Response(200, fields, body), Thing)
    error = caught.value
    assert type(error) is DaytonaError
    assert (error.status_code, error.method, error.path) == (200, "GET", "/api/thing")
    assert repr(body[:20].decode("utf-8", "replace"))[1:-1] in str(error)
    assert len(str(error)) < 1000


def test_a_web_page_hints_at_the_address() -> None:
    with pytest.raises(DaytonaError, match="end in /api"):
        decode(GET, Response(200, HTML, b"<!doctype html>"), Thing)


def test_a_secret_in_the_query_is_not_in_the_error() -> None:
    request = API.request("GET", "/thing", query={"token": "hunter2"})
    with pytest.raises(DaytonaError) as caught:
        decode(request, Response(200, JSON, b"x"), Thing)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("body", [b'{"message":"no such thing"}', b"no such thing"])
def test_a_refusal_is_the_class_of_its_status(body: bytes) -> None:
    with pytest.raises(DaytonaNotFoundError, match="no such thing") as caught:
        decode(GET, Response(404, JSON, body), Thing)
    assert (caught.value.method, caught.value.path) == ("GET", "/api/thing")


@pytest.mark.parametrize("status", [300, 302, 304, 199])
def test_a_redirection_is_not_followed_and_not_taken_for_an_answer(status: int) -> None:
    with pytest.raises(DaytonaError) as caught:
        decode(GET, Response(status, [(b"location", b"https://elsewhere/")], b""), Thing)
    assert caught.value.status_code == status


def test_repeated_headers_are_joined() -> None:
    assert headers_from([(b"a", b"1"), (b"b", b"\xe9"), (b"a", b"2")]) == {"a": "1, 2", "b": "\xe9"}
