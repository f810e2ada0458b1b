"""Previews on a machine where programs do not resolve names below `localhost`: opened as users open them, by their URL."""

from __future__ import annotations

import http.cookiejar
import json
import os
import socket
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tests.behaviour.test_previews import Site
from tests.local.platform_process import running_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.local.platform_process import Platform


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with mock.patch.dict(os.environ, {"DAYTONA_LOCAL_PREVIEWS": "addresses"}), running_platform() as running:
        yield running


@pytest.fixture(scope="module")
def site(platform: Platform) -> Site:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Site(platform, platform.create(autoStopInterval=0)["id"], port)
    made.serve()
    return made


class Browser:
    """Opens addresses, and keeps cookies."""

    def __init__(self) -> None:
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)

    def open(self, url: str, **headers: str) -> Any:
        """Return what the program behind a port was asked, or the status of an error."""
        try:
            with self._opener.open(urllib.request.Request(url, headers=headers), timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


async def test_a_preview_link_opens_the_port(connect: Callable[[], Any], site: Site) -> None:
    async with connect() as daytona:
        link = await (await daytona.get(site.id)).get_preview_link(site.port)
        token = {"x-daytona-preview-token": link.token}
        assert Browser().open(link.url, **token)["target"] == "/"
        assert Browser().open(f"{link.url}/a%2Fb?c=d", **token)["target"] == "/a%2Fb?c=d"
        assert Browser().open(link.url) == 401


async def test_a_signed_preview_opens_by_itself_with_all_its_pages(
    connect: Callable[[], Any], site: Site
) -> None:
    async with connect() as daytona:
        sandbox = await daytona.get(site.id)
        link = await sandbox.create_signed_preview_url(site.port, 600)
        browser = Browser()
        origin = link.url.partition("/?")[0]
        assert browser.open(f"{origin}/style.css") == 401
        assert browser.open(link.url)["target"] == "/"
        assert browser.open(f"{link.url}/a%2Fb?c=d&e")["target"] == "/a%2Fb?c=d&e"
        page = browser.open(f"{origin}/style.css")
        assert page["target"] == "/style.css"
        assert link.token not in json.dumps(page)
        assert Browser().open(f"{origin}/style.css") == 401
        await sandbox.expire_signed_preview_url(site.port, link.token)
        assert (browser.open(link.url), browser.open(f"{origin}/style.css")) == (401, 401)


async def test_a_token_opens_no_other_address(connect: Callable[[], Any], site: Site) -> None:
    async with connect() as daytona:
        sandbox = await daytona.get(site.id)
        link = await sandbox.create_signed_preview_url(site.port, 600)
        other = await daytona.create()
        for elsewhere in (
            await sandbox.get_preview_link(site.port + 1),
            await other.get_preview_link(site.port),
        ):
            assert Browser().open(f"{elsewhere.url}/?{link.url.partition('?')[2]}") == 401
        await other.delete()


def test_each_port_of_each_sandbox_keeps_its_address(platform: Platform, site: Site) -> None:
    other = platform.create()["id"]

    def urls() -> list[str]:
        ports = [(site.id, 3000), (site.id, 3001), (other, 3000)]
        return [
            platform.api("GET", f"/sandbox/{id_}/ports/{port}/preview-url").json["url"] for id_, port in ports
        ]

    first = urls()
    assert len(set(first)) == 3
    assert urls() == first
    platform.api("DELETE", f"/sandbox/{other}")


def test_the_platform_listens_on_the_loopback_interface_only(platform: Platform) -> None:
    port = int(platform.endpoint.api_url.split("/")[2].partition(":")[2])
    with socket.create_connection(("127.99.1.2", port), timeout=20):
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; the kernel only chooses our address
        except OSError:
            pytest.skip("this machine has no address but those of its loopback interface")
        own = probe.getsockname()[0]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((own, port), timeout=20)
