"""What may be asked for when a sandbox is made, what it is without being asked, and how each mistake is refused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.api import Api

BUILD = {"dockerfileContent": "FROM host\n"}
SOMETHING = "1" * 36


def test_what_is_not_said_has_the_defaults_of_the_protocol(api: Api) -> None:
    answer = api.call("POST", "/sandbox", {})
    assert answer.status == 200, answer.body
    box = api.until(answer.json["id"], "started")
    api.call("DELETE", f"/sandbox/{box['id']}")
    assert UUID(box["id"]).version == 4
    expected = {
        "name": box["id"], "user": "daytona", "env": {}, "labels": {}, "public": False, "networkBlockAll": False,
        "networkAllowList": None, "domainAllowList": None, "volumes": [], "autoStopInterval": 15,
        "autoArchiveInterval": 10080, "autoDeleteInterval": -1, "desiredState": "started", "errorReason": None,
        "sandboxClass": "container", "gpu": 0, "kvm": False, "snapshot": api.get("/config")["defaultSnapshot"],
    }  # fmt: skip  # a table
    assert {key: box.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(body, status, id=name)
        for name, (body, status) in {
            "a build and a snapshot": ({"buildInfo": BUILD, "snapshot": "x"}, 400),
            "a build and a link": ({"buildInfo": BUILD, "linkedSandbox": "x"}, 400),
            "cores without a build": ({"cpu": 1}, 400),
            "memory without a build": ({"memory": 1}, 400),
            "a disk without a build": ({"disk": 1}, 400),
            "a gpu without a build": ({"gpu": 1}, 400),
            "a type of gpu without a build": ({"gpuType": ["H100"]}, 400),
            "negative cores": ({"buildInfo": BUILD, "cpu": -1}, 400),
            "more cores than one may have": ({"buildInfo": BUILD, "cpu": 100_000}, 400),
            "more memory than one may have": ({"buildInfo": BUILD, "memory": 10**9}, 400),
            "more disk than one may have": ({"buildInfo": BUILD, "disk": 10**9}, 400),
            "an unknown snapshot": ({"snapshot": f"no-{SOMETHING}"}, 400),
            "an unknown region": ({"target": f"no-{SOMETHING}"}, 404),
            "an unknown volume": ({"volumes": [{"volumeId": SOMETHING, "mountPath": "/d"}]}, 404),
            "an unknown secret": ({"secrets": [{"A": f"no_{SOMETHING}"}]}, 404),
            "an auto-stop that is negative": ({"autoStopInterval": -1}, 400),
            "an auto-archive that is negative": ({"autoArchiveInterval": -1}, 400),
            "a lifetime that is negative": ({"ttlMinutes": -1}, 400),
            "two things to become when idle": ({"autoStopInterval": 5, "autoPauseInterval": 5}, 400),
            "an auto-pause of what is not kept": ({"autoDeleteInterval": 0, "autoPauseInterval": 5}, 400),
            "spot without a gpu": ({"spot": True}, 400),
            "a collector that is none": ({"otelEndpointOverride": "collector"}, 400),
            "virtualization in a container": ({"kvm": True}, 400),
            "a link that is kept": ({"linkedSandbox": SOMETHING}, 400),
            "a link to nobody": ({"linkedSandbox": SOMETHING, "autoDeleteInterval": 0}, 404),
            "a link and a build": (
                {"linkedSandbox": SOMETHING, "autoDeleteInterval": 0, "buildInfo": BUILD},
                400,
            ),
            "a name with a tag": ({"name": "<b>x</b>"}, 400),
            "a name with an address": ({"name": "see https://x"}, 400),
            "a name with www": ({"name": "www.example"}, 400),
            "a name with a control character": ({"name": "a\x07b"}, 400),
            "a number that is text": ({"buildInfo": BUILD, "cpu": "2"}, 400),
            "a name that is a number": ({"name": 1}, 400),
            "a build that is text": ({"buildInfo": "FROM host"}, 400),
            "a network that is none": ({"networkAllowList": "10.0.0.1"}, 400),
            "a network of IPv6": ({"networkAllowList": "::/0"}, 400),
            "a network with too long a prefix": ({"networkAllowList": "10.0.0.0/33"}, 400),
            "too many networks": ({"networkAllowList": ",".join(["10.0.0.0/8"] * 11)}, 400),
            "too many networks, blanks counted": ({"networkAllowList": "10.0.0.0/8" + "," * 10}, 400),
            "a domain without a dot": ({"domainAllowList": "example"}, 400),
            "a domain with a port": ({"domainAllowList": "example.org:80"}, 400),
            "a domain with a wildcard inside": ({"domainAllowList": "a.*.org"}, 400),
            "too many domains": ({"domainAllowList": ",".join(["a.org"] * 11)}, 400),
            "no JSON": (b"{", 400),
            "no object": ([], 400),
        }.items()
    ],
)
def test_a_mistake_is_refused(api: Api, body: Any, status: int) -> None:
    answer = api.call("POST", "/sandbox", body)
    assert (answer.status, answer.json["statusCode"]) == (status, status), answer.body


@pytest.mark.parametrize(
    "name", ["a b", "ünïcode 箱", "with/slash", "x" * 300, "tab\tand\nline", "%41", "name?with#marks"]
)
def test_a_name_may_be_almost_anything(api: Api, name: str) -> None:
    name = f"{name} {uuid4().hex[:8]}"
    made = api.create(name=name, autoDeleteInterval=0)
    assert made["name"] == name
    assert api.get(f"/sandbox/{quote(name, safe='')}")["id"] == made["id"]
    assert api.status("DELETE", f"/sandbox/{made['id']}") == 200


@pytest.mark.parametrize(("given", "kept"), [(0, 43200), (99999, 43200), (60, 60)])
def test_archiving_is_never_later_than_the_maximum(api: Api, box: Any, given: int, kept: int) -> None:
    assert api.get("/config")["maxAutoArchiveInterval"] == 43200
    changed = api.call("POST", f"/sandbox/{box['id']}/autoarchive/{given}").json
    assert changed["autoArchiveInterval"] == kept


def test_a_snapshot_is_named_by_its_id_too(api: Api) -> None:
    default = api.get("/config")["defaultSnapshot"]
    made = api.create(snapshot=api.get(f"/snapshots/{default}")["id"], target=api.get("/regions")[0]["name"])
    assert made["snapshot"] == default
    assert made["target"] == api.get("/regions")[0]["id"]


@pytest.mark.usefixtures("embedded")
def test_an_outbound_proxy_is_told_to_programs(api: Api, execute: Callable[..., str]) -> None:
    url = "http://user:word@proxy.example:3128"
    box = api.create(outboundProxyUrl=url)
    assert box["outboundProxyUrl"] == url
    assert execute(box, 'echo "$HTTP_PROXY $https_proxy"') == f"{url} {url}\n"
    assert "outboundProxyUrl" not in api.get("/sandbox", id=box["id"])["items"][0]
    both = {"outboundProxyUrl": url, "domainAllowList": "example.org"}
    assert api.status("POST", "/sandbox", both) == 501  # ours would pass the other proxy by
    limit = api.call("POST", f"/sandbox/{box['id']}/network-settings", {"domainAllowList": "example.org"})
    assert (limit.status, limit.json["code"]) == (501, "NOT_IN_THIS_VERSION")


@pytest.mark.usefixtures("embedded")
@pytest.mark.parametrize("url", ["proxy.example", "socks5://proxy.example", "http://", "http://proxy:none"])
def test_what_is_no_proxy_is_refused(api: Api, url: str) -> None:
    assert api.status("POST", "/sandbox", {"outboundProxyUrl": url}) == 400


def test_a_sandbox_says_where_its_telemetry_goes(api: Api, execute: Callable[..., str]) -> None:
    endpoint = "http://127.0.0.1:9"
    box = api.create(otelEndpointOverride=endpoint)
    assert box["otelEndpointOverride"] == endpoint
    assert execute(box, "echo $DAYTONA_OTEL_ENDPOINT") == f"{endpoint}\n"
    assert api.get(f"/sandbox/{box['id']}")["otelEndpointOverride"] == endpoint


def test_a_lifetime_begins_with_the_sandbox(api: Api) -> None:
    made = api.create(ttlMinutes=60)
    hour = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + 3600 - 120))
    assert hour < made["autoDestroyAt"]
    assert api.call("POST", f"/sandbox/{made['id']}/ttl/0").json["autoDestroyAt"] is None
