"""The methods of pydantic's models, which programs call because the official models are pydantic's."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

import daytona
from daytona import (
    CodeRunParams,
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    DaytonaConfig,
    ExecuteResponse,
    ExecutionArtifacts,
    Image,
    PtySize,
    Resources,
    SandboxMetrics,
    SandboxState,
    SessionExecuteRequest,
    Snapshot,
    SnapshotState,
    VolumeMount,
)
from daytona.models.sandbox import SandboxData, SandboxView

WHEN = datetime(2026, 11, 23, tzinfo=UTC)
ANSWER = ExecuteResponse(exit_code=0, result="x", artifacts=ExecutionArtifacts("x", []))
PARAMS = CreateSandboxFromImageParams(image="debian:12", env_vars={"A": "1"}, resources=Resources(cpu=2))
SNAPSHOT = Snapshot(id="s", state=SnapshotState.ACTIVE, image_name="debian:12", created_at=WHEN)


def test_fields_come_by_their_names() -> None:
    dumped = SNAPSHOT.model_dump(exclude_none=True)
    assert dumped["state"] is SnapshotState.ACTIVE
    assert dumped["image_name"] == "debian:12"
    assert "error_reason" not in dumped
    assert SNAPSHOT.model_dump()["error_reason"] is None


def test_fields_come_by_the_names_of_the_wire() -> None:
    assert SNAPSHOT.model_dump(by_alias=True, include={"image_name"}) == {"imageName": "debian:12"}


def test_json_has_no_objects() -> None:
    dumped = SNAPSHOT.model_dump(mode="json", include={"state", "created_at"})
    assert dumped == {"state": "active", "created_at": "2026-11-23T00:00:00Z"}
    assert json.loads(SNAPSHOT.model_dump_json(include={"state"}, indent=2)) == {"state": "active"}


@pytest.mark.parametrize("option", [{"exclude_unset": True}, {"exclude_defaults": True}], ids=str)
def test_defaults_may_be_left_out(option: Any) -> None:
    expected = {"image": "debian:12", "env_vars": {"A": "1"}, "resources": {"cpu": 2}}
    assert PARAMS.model_dump(**option) == expected
    assert PARAMS.model_dump(exclude={"resources"}, **option).keys() == expected.keys() - {"resources"}


def test_models_within_models_become_plain_as_well() -> None:
    mounted = CreateSandboxFromSnapshotParams(volumes=[VolumeMount(volume_id="v", mount_path="/m")])
    assert mounted.model_dump(exclude_none=True) == {"volumes": [{"volume_id": "v", "mount_path": "/m"}]}
    assert ANSWER.model_dump()["artifacts"] == {"stdout": "x", "charts": []}


def test_pydantic_1_called_them_otherwise() -> None:
    assert PARAMS.dict() == PARAMS.model_dump()
    assert PARAMS.json() == PARAMS.model_dump_json()
    assert PARAMS.copy(update={"image": "other"}).image == "other"
    assert VolumeMount.parse_raw('{"volumeId": "v", "mountPath": "/m"}') == VolumeMount.parse_obj(
        {"volume_id": "v", "mount_path": "/m"}
    )


@pytest.mark.parametrize("model", [ANSWER, PARAMS, SNAPSHOT, DaytonaConfig(api_key="k"), PtySize(1, 2)])
def test_a_copy_is_equal_and_apart(model: ExecuteResponse) -> None:
    twin = model.model_copy(deep=True)
    assert twin == model
    assert twin is not model
    assert pickle.loads(pickle.dumps(model)) == model


def test_a_copy_may_differ() -> None:
    assert PARAMS.model_copy(update={"env_vars": {}}).env_vars == {}
    assert PARAMS.env_vars == {"A": "1"}
    assert SNAPSHOT.model_copy(update={"name": "n"}).name == "n"
    assert DaytonaConfig(api_key="k").model_copy(update={"target": "eu"}).target == "eu"


def test_a_sandbox_is_a_model_too() -> None:
    view = SandboxView()
    view._replace(SandboxData(id="a", state=SandboxState.STARTED, labels={"x": "y"}))
    assert view.model_dump(exclude_defaults=True) == {"id": "a", "state": "started", "labels": {"x": "y"}}
    assert json.loads(view.model_dump_json(include={"state"})) == {"state": "started"}
    assert view.model_copy(update={"name": "n"}).name == "n"
    assert copy.copy(view).to_dict() == view.to_dict()
    assert "organization_id" in type(view).model_fields


@pytest.mark.parametrize("names", [("volume_id", "mount_path"), ("volumeId", "mountPath")])
def test_a_model_is_read_by_either_name(names: tuple[str, str]) -> None:
    assert VolumeMount.model_validate(dict(zip(names, ("v", "/m"), strict=True))).volume_id == "v"


@pytest.mark.parametrize("given", [{}, {"volume_id": 1, "mount_path": "/m"}, "text", None])
def test_what_is_no_model_is_a_value_error(given: object) -> None:
    with pytest.raises(ValueError, match="VolumeMount"):
        VolumeMount.model_validate(given)


def test_models_go_to_the_wire_and_come_from_it() -> None:
    mount = VolumeMount(volume_id="v", mount_path="/m")
    assert VolumeMount.from_dict(mount.to_dict()) == VolumeMount.from_json(mount.to_json()) == mount
    assert VolumeMount.from_dict(None) is None
    assert "'volumeId': 'v'" in mount.to_str()
    assert mount.additional_properties == {}
    request = SessionExecuteRequest.from_dict({"command": "ls", "runAsync": True})
    assert request == SessionExecuteRequest(command="ls", run_async=True)


def test_parameters_may_come_out_of_a_file() -> None:
    params = CreateSandboxFromImageParams.model_validate(
        {"image": "x", "resources": {"cpu": 1}, "volumes": [{"volume_id": "v", "mount_path": "/m"}]}
    )
    assert params.resources == Resources(cpu=1)
    assert params.volumes == [VolumeMount(volume_id="v", mount_path="/m")]


@pytest.mark.parametrize(
    "value",
    [
        PtySize(rows=1, cols=2),
        CodeRunParams(argv=["a"]),
        ExecutionArtifacts("x", []),
        SandboxMetrics(1, 2.0, 3, 4, 5, 6, 7, WHEN),
        Resources(cpu=1),
    ],
)
def test_dataclasses_of_the_official_client_are_some_here(value: PtySize) -> None:
    assert dataclasses.is_dataclass(value)
    described = dataclasses.asdict(value)
    assert type(value)(**described) == value
    assert dataclasses.replace(value, **described) == value


def test_every_constructor_can_be_looked_at() -> None:
    """Tools that make mocks or documentation of a class do."""
    for name in daytona.__all__:
        value = getattr(daytona, name)
        if inspect.isclass(value):
            assert inspect.signature(value) is not None


def test_an_image_is_only_an_image() -> None:
    image = Image.base("x")
    assert Image.model_validate(image) is image
    with pytest.raises(ValueError, match="Image expected, not str"):
        Image.model_validate("x")
