from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from daytona_plugins.local.images.image import Image
from daytona_plugins.local.platform.creation import CreateSandbox, new_record, read_body
from daytona_plugins.local.platform.images import labels_for
from daytona_plugins.local.platform.snapshot_store import SnapshotRecord
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from daytona_plugins.local.platform.records import Record


def asked(**body: object) -> Record:
    return new_record(read_body(json.dumps(body).encode()), 1000.0)


def refused(**body: object) -> HTTPError:
    with pytest.raises(HTTPError) as caught:
        asked(**body)
    return caught.value


def test_what_is_not_said_has_the_defaults_of_the_protocol() -> None:
    record = asked()
    assert record.name == record.id
    assert (record.user, record.snapshot, record.env, record.labels) == ("daytona", "host", {}, {})
    assert (record.cpu, record.memory, record.disk) == (1, 1, 3)
    assert (record.auto_stop_interval, record.auto_archive_interval, record.auto_delete_interval) == (
        15,
        10080,
        -1,
    )
    assert record.auto_destroy_at is None


def test_what_the_newest_client_always_sends_is_accepted() -> None:
    asked(
        env={}, volumes=[], spot=False, kvm=False, labels={"code-toolbox-language": "python"}, somethingNew=1
    )


def test_archiving_never_means_at_the_maximum() -> None:
    assert asked(autoArchiveInterval=0).auto_archive_interval == 43200
    assert asked(autoArchiveInterval=10**6).auto_archive_interval == 43200


def test_a_lifetime_begins_now() -> None:
    assert asked(ttlMinutes=2).auto_destroy_at == 1120.0


def test_a_sandbox_that_is_deleted_when_it_stops_is_ephemeral() -> None:
    assert asked(autoDeleteInterval=0).ephemeral


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"cpu": 1}, 400),
        ({"memory": 1}, 400),
        ({"gpuType": "H100"}, 400),
        ({"buildInfo": {"dockerfileContent": "FROM a"}, "snapshot": "host"}, 400),
        ({"buildInfo": {"dockerfileContent": "FROM a"}, "linkedSandbox": "x"}, 400),
        ({"buildInfo": {"dockerfileContent": "FROM a"}, "gpu": 1}, 400),
        ({"buildInfo": {"dockerfileContent": "FROM a"}, "cpu": -1}, 400),
        ({"autoStopInterval": -1}, 400),
        ({"autoArchiveInterval": -1}, 400),
        ({"ttlMinutes": -1}, 400),
        ({"snapshot": "nowhere"}, 400),
        ({"target": "mars"}, 404),
        ({"name": "<b>x</b>"}, 400),
        ({"name": "see https://x"}, 400),
        ({"name": "a\x07b"}, 400),
        ({"cpu": "2"}, 400),
        ({"otelEndpointOverride": "collector.example"}, 400),
        ({"otelEndpointOverride": "http://collector.example:port"}, 400),
        ({"kvm": True}, 400),
    ],
)
def test_a_request_that_cannot_be_honoured_is_refused(body: dict[str, object], status: int) -> None:
    assert refused(**body).status == status


def test_a_body_that_is_not_json_is_refused() -> None:
    with pytest.raises(HTTPError) as caught:
        read_body(b"{")
    assert caught.value.status == 400


def test_resources_come_with_an_image() -> None:
    record = asked(buildInfo={"dockerfileContent": "FROM debian:12\n"}, cpu=2, memory=4)
    assert (record.cpu, record.memory, record.disk, record.snapshot) == (2, 4, 3, None)


@pytest.mark.parametrize("dockerfile", ["FROM \n", "FROM  \n", "", "RUN x\n"])
def test_a_dockerfile_that_names_no_image_fails_when_it_is_built(dockerfile: str) -> None:
    assert asked(buildInfo={"dockerfileContent": dockerfile}).labels == {"daytona.local/image": ""}


def test_a_label_tells_which_image_was_asked_for() -> None:
    record = asked(buildInfo={"dockerfileContent": "FROM debian:12\n"}, labels={"a": "b"})
    assert record.labels == {"a": "b", "daytona.local/image": "debian:12"}
    labels = labels_for("# comment\nFROM python:3.12 AS x\nRUN pip install \\\n  numpy\nENV A=b\ncopy . /\n")
    assert labels == {"daytona.local/image": "python:3.12"}


def test_a_label_tells_what_a_snapshot_is_made_from() -> None:
    snapshot = SnapshotRecord(
        id="1",
        name="mine",
        state="active",
        created_at=0,
        updated_at=0,
        cpu=2,
        image=Image(resolved="host: Debian"),
    )
    record = new_record(CreateSandbox(snapshot="mine"), 1000.0, snapshot)
    assert (record.snapshot, record.cpu) == ("mine", 2)
    assert record.labels == {"daytona.local/base": "host: Debian"}


@pytest.mark.parametrize("state", ["pending", "building", "inactive", "error", "removing"])
def test_only_an_active_snapshot_can_be_used(state: str) -> None:
    snapshot = SnapshotRecord(id="1", name="mine", state=state, created_at=0, updated_at=0)
    with pytest.raises(HTTPError, match=state) as caught:
        new_record(CreateSandbox(snapshot="mine"), 1000.0, snapshot)
    assert caught.value.status == 400


def test_equal_builds_have_one_reference_whatever_the_order_of_their_contexts() -> None:
    builds = [
        asked(buildInfo={"dockerfileContent": "FROM a", "contextHashes": hashes}).build_info
        for hashes in (["1", "2"], ["2", "1"])
    ]
    assert builds[0] is not None
    assert builds[1] is not None
    assert builds[0].snapshot_ref == builds[1].snapshot_ref


def test_tokens_are_not_repeated() -> None:
    assert asked().auth_token != asked().auth_token
