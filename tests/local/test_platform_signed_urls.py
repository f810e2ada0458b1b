"""Signed file addresses, asked the way a program without any SDK or key would."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from daytona.protocols.signing import file_signature, signed_query

if TYPE_CHECKING:
    from tests.local.platform_process import Platform

PATH = "signed/a b ☃.txt"


@pytest.fixture(scope="module")
def sandbox(platform: Platform) -> Any:
    made = platform.create(autoStopInterval=0)
    yield made
    platform.api("DELETE", f"/sandbox/{made['id']}")


def key_of(platform: Platform, sandbox: Any) -> str:
    key = platform.api("GET", f"/sandbox/{sandbox['id']}/signing-key").json
    assert isinstance(key, str)
    return key


def ask(url: str, data: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers or {})) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def address(sandbox: Any, operation: str, query: str) -> str:
    return f"{sandbox['toolboxProxyUrl']}/{sandbox['id']}{operation}?{query}"


@pytest.mark.parametrize(
    ("key", "method", "path", "expires", "signature"),
    [
        ("sk-example-0001", "GET", "/work/a b.txt", 0, "v1_9Og8CZEcNDfustivhtzleclvnsJ7LKtuNlTpshh0toc"),
        (
            "sk-example-0001",
            "GET",
            "/work/a b.txt",
            1900000000,
            "v1_g9mX1_wtqaKMbQiJVqTk-leI-8vaaWdNO3zlaSTJKak",
        ),
        (
            "sk-example-0001",
            "POST",
            "up/load.bin",
            1900000000,
            "v1_c6pfJVVNqglYvFLqALMhU9rGyB2o_H5eCO7H1r7Cgrc",
        ),
        (
            "testsigningkey1234567890abcdefgh",
            "GET",
            "/home/user/report.pdf",
            1781234567,
            "v1_QXoy36mypac2FAv33L7jnN44GEUx8KrdwT0vuKgKiQg",
        ),
    ],
)
def test_signatures_are_those_of_the_protocol(
    key: str, method: str, path: str, expires: int, signature: str
) -> None:
    assert file_signature(key, method, path, expires) == signature


def test_files_are_posted_and_fetched_without_a_key(platform: Platform, sandbox: Any) -> None:
    key = key_of(platform, sandbox)
    up = address(sandbox, "/files/upload-v2", signed_query(key, "POST", PATH, 0))
    down = address(sandbox, "/files/download", signed_query(key, "GET", PATH, int(time.time()) + 60))
    assert ask(up, b"bare body", {"Content-Type": "application/octet-stream"})[0] == 200
    assert ask(down) == (200, b"bare body")
    form = b'--B\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nform\r\n--B--\r\n'
    assert ask(up, form, {"Content-Type": "multipart/form-data; boundary=B"})[0] == 200
    assert ask(down) == (200, b"form")
    assert ask(down, headers={"Range": "bytes=1-2"}) == (206, b"or")


def test_a_signature_opens_nothing_else(platform: Platform, sandbox: Any) -> None:
    key = key_of(platform, sandbox)
    soon = int(time.time()) + 60
    signature = file_signature(key, "GET", PATH, soon)
    good = [("path", PATH), ("expires", str(soon)), ("signature", signature)]
    assert ask(address(sandbox, "/files/download", urlencode(good)))[0] in (200, 404)
    changed = [
        [("path", "/etc/passwd"), *good[1:]],
        [good[0], ("expires", str(soon + 1)), good[2]],
        [good[0], ("expires", f"0{soon}"), good[2]],
        [good[0], ("expires", f"+{soon}"), good[2]],
        [good[0], ("expires", "0"), good[2]],
        [*good[:2], ("signature", signature[:-1])],
        [*good[:2], ("signature", "")],
        [*good[:2], ("signature", "v1_ü")],
        [("path", "/etc/passwd"), *good],
        [*good, ("path", "/etc/passwd")],
        good[1:],
        [good[0], good[2]],
        good[:2],
    ]
    for query in changed:
        assert ask(address(sandbox, "/files/download", urlencode(query)))[0] == 401, query
    for operation in (
        "/files",
        "/files/info",
        "/process/execute",
        "/files/bulk-download",
        "/files/download/",
    ):
        assert ask(address(sandbox, operation, urlencode(good)))[0] == 401, operation
    assert ask(address(sandbox, "/files/download", urlencode(good)), b"posted")[0] == 401
    assert ask(address(sandbox, "/files/upload-v2", urlencode(good)), b"posted")[0] == 401


def test_a_signature_of_one_sandbox_is_none_of_another(platform: Platform, sandbox: Any) -> None:
    other = platform.create()
    try:
        query = signed_query(key_of(platform, sandbox), "GET", PATH, 0)
        assert ask(address(other, "/files/download", query))[0] == 401
        assert key_of(platform, other) != key_of(platform, sandbox)
    finally:
        platform.api("DELETE", f"/sandbox/{other['id']}")


def test_an_address_expires_and_rotation_ends_all(platform: Platform, sandbox: Any) -> None:
    old = key_of(platform, sandbox)
    platform.execute(sandbox["id"], "mkdir -p signed && echo -n x > 'signed/r'")
    expired = signed_query(old, "GET", "signed/r", int(time.time()) - 1)
    status, body = ask(address(sandbox, "/files/download", expired))
    assert (status, b"expired" in body) == (401, True)
    forever = address(sandbox, "/files/download", signed_query(old, "GET", "signed/r", 0))
    assert ask(forever) == (200, b"x")
    new = platform.api("POST", f"/sandbox/{sandbox['id']}/signing-key/rotate").json
    assert new != old
    assert key_of(platform, sandbox) == new
    assert ask(forever)[0] == 401
    assert ask(address(sandbox, "/files/download", signed_query(new, "GET", "signed/r", 0))) == (200, b"x")


def test_only_the_key_s_owner_learns_the_signing_key(platform: Platform, sandbox: Any) -> None:
    url = f"{platform.endpoint.api_url}/sandbox/{sandbox['id']}/signing-key"
    assert ask(url)[0] == 401
    assert ask(f"{url}/rotate", b"")[0] == 401
    assert platform.api("GET", "/sandbox/nobody/signing-key").status == 404
