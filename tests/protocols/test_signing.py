"""Signed addresses: vectors agreed on with the other side."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given, strategies as st

from daytona.protocols.signing import file_signature, signed_query

CLIENT_KEY = "sk-example-0001"
PLATFORM_KEY = "local-platform-test-key-0001"
PROXY_KEY = "testsigningkey1234567890abcdefgh"
VECTORS = [
    (CLIENT_KEY, "GET", "/work/a b.txt", 0, "v1_9Og8CZEcNDfustivhtzleclvnsJ7LKtuNlTpshh0toc"),
    (CLIENT_KEY, "GET", "/work/a b.txt", 1900000000, "v1_g9mX1_wtqaKMbQiJVqTk-leI-8vaaWdNO3zlaSTJKak"),
    (CLIENT_KEY, "POST", "up/load.bin", 1900000000, "v1_c6pfJVVNqglYvFLqALMhU9rGyB2o_H5eCO7H1r7Cgrc"),
    (PLATFORM_KEY, "GET", "/data/a.txt", 0, "v1_Tr2JgX7BW2j5qr2nooogcKdkJoVnso4dtG8i7QxJ9kk"),
    (PLATFORM_KEY, "POST", "/data/b c.bin", 1800000000, "v1_wO_lqzGzj2HDgWDdIqxHIi-AAxTrlPjsX2TqHVyxaXk"),
    (PROXY_KEY, "GET", "/home/user/report.pdf", 1781234567, "v1_QXoy36mypac2FAv33L7jnN44GEUx8KrdwT0vuKgKiQg"),
]


@pytest.mark.parametrize(("key", "method", "path", "expires", "signature"), VECTORS)
def test_signatures_are_those_of_the_platform(
    key: str, method: str, path: str, expires: int, signature: str
) -> None:
    assert file_signature(key, method, path, expires) == signature


def test_the_query_is_in_the_order_of_the_wire() -> None:
    query = signed_query(CLIENT_KEY, "GET", "/work/a b.txt", 0)
    signature = "v1_9Og8CZEcNDfustivhtzleclvnsJ7LKtuNlTpshh0toc"
    assert query == f"path=%2Fwork%2Fa+b.txt&expires=0&signature={signature}"


@given(st.text(max_size=30), st.text(max_size=30), st.integers(0, 2**40))
def test_the_query_says_what_was_signed(key: str, path: str, expires: int) -> None:
    key, path = (text.encode("utf-8", "ignore").decode() for text in (key, path))
    query = dict(parse_qsl(signed_query(key, "GET", path, expires), keep_blank_values=True))
    assert (query["path"], query["expires"]) == (path, str(expires))
    assert query["signature"] == file_signature(key, "GET", path, expires)


def test_a_file_name_that_is_not_utf_8_can_be_signed() -> None:
    name = b"/work/caf\xe9".decode("utf-8", "surrogateescape")
    assert signed_query(CLIENT_KEY, "GET", name, 0).startswith("path=%2Fwork%2Fcaf%E9&")
