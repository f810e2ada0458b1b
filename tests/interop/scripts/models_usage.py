"""What programs do with models, by whichever `daytona` comes first here; prints as JSON what they see."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import warnings
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, TypeAdapter

from daytona import (
    CodeRunParams,
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    DaytonaConfig,
    DaytonaError,
    DaytonaNotFoundError,
    ExecuteResponse,
    ExecutionArtifacts,
    Image,
    ListSandboxesQuery,
    Resources,
    Sandbox,
    SandboxState,
    SessionExecuteRequest,
    VolumeMount,
)
from daytona.common.pty import PtySize

if TYPE_CHECKING:
    from collections.abc import Callable


class Job(BaseModel):
    """A program's own model, with fields of ours."""

    answer: ExecuteResponse | None = None
    config: DaytonaConfig | None = None
    image: str | Image | None = None
    params: CreateSandboxFromSnapshotParams | None = None
    resources: Resources | None = None
    sandbox: Sandbox | None = None
    state: SandboxState | None = None


warnings.simplefilter("ignore")
PARAMS = CreateSandboxFromImageParams(
    image="debian:12", resources={"cpu": 2}, env_vars={"A": "1"}, language="python"
)
MOUNT = VolumeMount(volume_id="v", mount_path="/m")
ANSWER = ExecuteResponse(exit_code=0, result="x", artifacts=ExecutionArtifacts(stdout="x", charts=[]))
REQUEST = SessionExecuteRequest(command="ls", run_async=True)
CONFIG = DaytonaConfig(api_key="k", api_url="http://x")
ERROR = DaytonaNotFoundError("gone", status_code=404, headers={"A": "b"}, code="NOT_FOUND")
STATE = SandboxState.STARTED
JOB = Job(params={"snapshot": "s"}, resources={"cpu": 1}, state="started", image=Image.base("x"))

USES: dict[str, Callable[[], Any]] = {
    "dump": lambda: PARAMS.model_dump(exclude_none=True),
    "dump to JSON": lambda: json.loads(PARAMS.model_dump_json(exclude_none=True)),
    "dump some": lambda: PARAMS.model_dump(include={"image"}, exclude_unset=True),
    "dump, as pydantic 1 said": lambda: PARAMS.dict(exclude_none=True),
    "dump a request": lambda: REQUEST.to_dict(),
    "dump an answer": lambda: ANSWER.model_dump()["artifacts"],
    "dump by the wire's names": lambda: MOUNT.to_dict(),
    "copy": lambda: PARAMS.model_copy(update={"env_vars": {}}).env_vars,
    "copy deeply": lambda: PARAMS.model_copy(deep=True) == PARAMS,
    "copy a configuration": lambda: CONFIG.model_copy(update={"target": "eu"}).target,
    "compare configurations": lambda: DaytonaConfig(api_key="k") == DaytonaConfig(api_key="k"),
    "fields": lambda: sorted(type(PARAMS).model_fields),
    "read": lambda: CreateSandboxFromSnapshotParams.model_validate({"snapshot": "s"}).snapshot,
    "read a request": lambda: SessionExecuteRequest.from_dict({"command": "a", "runAsync": True}).run_async,
    "read a mount": lambda: VolumeMount.from_json('{"volumeId": "v", "mountPath": "/m"}').mount_path,
    "unknown keyword": lambda: CreateSandboxFromImageParams(image="x", unheard_of=3).image,
    "unknown keyword of a request": lambda: SessionExecuteRequest(command="ls", runAsync=True).run_async,
    "missing keyword": lambda: CreateSandboxFromImageParams(),
    "set": lambda: setattr(ANSWER, "result", "y") or ANSWER.result,
    "pickle": lambda: pickle.loads(pickle.dumps(PARAMS)) == PARAMS,
    "shallow copy": lambda: copy.copy(MOUNT) == MOUNT,
    "as a dictionary": lambda: dataclasses.asdict(PtySize(rows=1, cols=2)),
    "replace": lambda: dataclasses.replace(PtySize(rows=1, cols=2), cols=3).cols,
    "dataclasses": lambda: [
        dataclasses.is_dataclass(kind)
        for kind in (PtySize, CodeRunParams, ExecutionArtifacts, Resources, ListSandboxesQuery)
    ],
    "show": lambda: repr(Resources(cpu=1)),
    "state": lambda: [
        STATE == "started",
        STATE.value,
        SandboxState("started") is STATE,
        {"started": 1}[STATE],
    ],
    "state in JSON": lambda: json.dumps(STATE),
    "state as text": lambda: str(STATE),
    "error": lambda: [str(ERROR), ERROR.args, ERROR.status_code, ERROR.code, ERROR.headers.get("A")],
    "error, sent": lambda: pickle.loads(pickle.dumps(ERROR)).status_code,
    "error, caught": lambda: isinstance(ERROR, DaytonaError),
    "in a model": lambda: JOB.params.snapshot,
    "in a model, dumped": lambda: json.loads(JOB.model_dump_json(exclude_none=True, exclude={"image"})),
    "in a schema": lambda: sorted(Job.model_json_schema()["properties"]),
    "adapted": lambda: TypeAdapter(list[Resources]).validate_python([{"cpu": 1}])[0].cpu,
    "adapted to JSON": lambda: TypeAdapter(ExecuteResponse).dump_python(ANSWER, mode="json")["exit_code"],
}


def seen(use: Callable[[], Any]) -> Any:
    """Return what a use gives, or the name of its error."""
    try:
        return use()
    except Exception as error:
        return f"! {type(error).__name__}"


print(json.dumps({name: seen(use) for name, use in USES.items()}, sort_keys=True))
