"""Parameters: what users fill in."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import threading
import warnings

import pytest

from daytona.errors import DaytonaValidationError
from daytona.image import Image
from daytona.models import encode
from daytona.models.computer_use import ScreenshotOptions, ScreenshotRegion
from daytona.models.enums import CodeLanguage, GpuType
from daytona.models.files import CancelEvent, FileDownloadErrorDetails, FileDownloadRequest, FileUpload
from daytona.models.params import (
    CreateSandboxBaseParams,
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    CreateSecretParams,
    CreateSnapshotParams,
    ImageSource,
    ListSandboxesQuery,
    Params,
    Resources,
)
from daytona.models.process import CodeRunParams, ExecuteResponse, ExecutionArtifacts, SessionExecuteRequest
from daytona.models.pty import PtySize
from daytona.models.volume import VolumeMount

OFFICIAL_BASE = [
    "name",
    "language",
    "os_user",
    "env_vars",
    "labels",
    "public",
    "auto_stop_interval",
    "auto_pause_interval",
    "auto_archive_interval",
    "auto_delete_interval",
    "ttl_minutes",
    "queue_timeout",
    "volumes",
    "secrets",
    "network_block_all",
    "kvm",
    "network_allow_list",
    "domain_allow_list",
    "outbound_proxy_url",
    "otel_endpoint_override",
    "ephemeral",
    "spot",
    "linked_sandbox",
    "target",
]


def test_create_parameters_are_the_official_ones() -> None:
    assert list(inspect.signature(CreateSandboxBaseParams.__init__).parameters)[1:] == OFFICIAL_BASE
    assert all(getattr(CreateSandboxBaseParams(), name) is None for name in OFFICIAL_BASE)


@pytest.mark.parametrize("kind", [CreateSandboxBaseParams, CreateSandboxFromSnapshotParams])
def test_create_parameters_can_be_changed_and_copied(kind: type[CreateSandboxBaseParams]) -> None:
    params = kind(name="a")
    params.language = CodeLanguage.PYTHON
    for twin in (copy.deepcopy(params), pickle.loads(pickle.dumps(params))):
        assert twin == params


def test_ephemeral_deletes_at_once() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert CreateSandboxFromSnapshotParams(ephemeral=True).auto_delete_interval == 0
        assert (
            CreateSandboxFromSnapshotParams(ephemeral=True, auto_delete_interval=0).auto_delete_interval == 0
        )
        assert (
            CreateSandboxFromSnapshotParams(ephemeral=False, auto_delete_interval=5).auto_delete_interval == 5
        )


def test_ephemeral_wins_over_an_interval_and_says_so() -> None:
    with pytest.warns(UserWarning, match="ephemeral replaces auto_delete_interval") as caught:
        params = CreateSandboxFromImageParams(image="x", ephemeral=True, auto_delete_interval=5)
    assert params.auto_delete_interval == 0
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("kind", "field", "near"),
    [
        (CreateSandboxFromSnapshotParams, "auto_stop", "auto_stop_interval"),
        (CreateSandboxFromImageParams, "images", "image"),
        (CreateSnapshotParams, "resource", "resources"),
        (CreateSecretParams, "host", "hosts"),
        (ListSandboxesQuery, "state", "states"),
    ],
)
def test_misspelt_parameter_names_the_right_one(kind: type[Params], field: str, near: str) -> None:
    required = {name: "x" for name in ("image", "name", "value") if name in kind.model_fields}
    expected = rf"{kind.__name__} has no field '{field}', it is ignored; did you mean '{near}'\?"
    with pytest.warns(UserWarning, match=expected) as caught:
        kind(**required, **{field: 1})
    assert caught[0].filename == __file__


def test_unlike_parameter_names_nothing() -> None:
    with pytest.warns(UserWarning, match=r"has no field 'zzz', it is ignored$"):
        CreateSecretParams(name="a", value="b", zzz=1)  # type: ignore[call-arg]


def test_secret_is_not_shown() -> None:
    assert "hunter2" not in repr(CreateSecretParams(name="a", value="hunter2"))


def test_image_is_something_to_build() -> None:
    source: ImageSource = Image.base("x")
    assert CreateSandboxFromImageParams(image=source).image is source


def test_gpu_types_are_a_list_on_the_wire() -> None:
    assert Resources().gpu_types() is None
    assert Resources(gpu_type=GpuType.H100).gpu_types() == ["H100"]
    assert Resources(gpu_type=[GpuType.H100, GpuType.H200]).gpu_types() == ["H100", "H200"]
    assert Resources(1, 2, 3, 4) == Resources(cpu=1, memory=2, disk=3, gpu=4)


def test_volume_mount_is_encoded_as_the_wire_has_it() -> None:
    mount = VolumeMount(volume_id="v", mount_path="/data")
    assert json.loads(encode(mount)) == {"volumeId": "v", "mountPath": "/data"}


def test_session_request_leaves_out_what_is_not_given() -> None:
    assert SessionExecuteRequest(command="ls").to_dict() == {"command": "ls"}
    request = SessionExecuteRequest(command="ls", run_async=False, suppress_input_echo=True)
    assert request.to_dict() == {"command": "ls", "runAsync": False, "suppressInputEcho": True}


def test_var_async_is_the_old_name_of_run_async() -> None:
    with pytest.warns(DeprecationWarning, match="use run_async"):
        request = SessionExecuteRequest(command="ls", var_async=True)
    assert (request.run_async, request.var_async) == (True, None)
    assert request.to_dict() == {"command": "ls", "runAsync": True}


def test_screenshot_options_know_both_names_of_the_format() -> None:
    assert ScreenshotOptions(format="jpeg", quality=95).fmt == "jpeg"
    assert ScreenshotOptions(fmt="png").format == "png"


@pytest.mark.parametrize("wrong", [{"quality": -1}, {"quality": 101}, {"scale": 0.0}])
def test_screenshot_options_have_limits(wrong: dict[str, float]) -> None:
    with pytest.raises(DaytonaValidationError, match=next(iter(wrong))):
        ScreenshotOptions(**wrong)  # type: ignore[arg-type]
    assert ScreenshotOptions(quality=0, scale=0.1).quality == 0


def test_screenshot_region_cannot_change() -> None:
    region = ScreenshotRegion(x=1, y=2, width=3, height=4)
    with pytest.raises(AttributeError):
        region.x = 2  # type: ignore[misc]
    assert {region: 1}[ScreenshotRegion(x=1, y=2, width=3, height=4)] == 1


def test_error_details_know_both_names_of_the_code() -> None:
    assert FileDownloadErrorDetails("m", error_code="X").code == "X"
    assert FileDownloadErrorDetails("m", code="Y").error_code == "Y"


def test_small_types_take_positions() -> None:
    assert FileUpload(b"x", "/x") == FileUpload(source=b"x", destination="/x")
    assert FileDownloadRequest("/x").destination is None
    assert (PtySize(40, 150).rows, PtySize(40, 150).cols) == (40, 150)
    assert CodeRunParams(["a"], {"B": "c"}).env == {"B": "c"}
    assert ExecutionArtifacts("out").stdout == "out"


def test_execute_response_needs_no_more_than_the_official_one() -> None:
    response = ExecuteResponse(exit_code=0, result="x")
    assert (response.artifacts, response.stdout, response.truncated) == (None, None, False)
    assert response.additional_properties == {}


def test_events_of_threads_cancel_transfers() -> None:
    assert isinstance(threading.Event(), CancelEvent)
    assert not isinstance(object(), CancelEvent)
