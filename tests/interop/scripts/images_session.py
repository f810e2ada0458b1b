"""What a user of the official client does with images and snapshots; prints what each step saw as one line of JSON."""

from __future__ import annotations

import json
from typing import Any

from daytona import (
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    CreateSnapshotParams,
    Daytona,
    DaytonaError,
    Image,
    Resources,
)

seen: dict[str, Any] = {}
daytona = Daytona()


def failure(call: Any) -> dict[str, Any]:
    """Return what kind of error *call* raises."""
    try:
        call()
    except DaytonaError as error:
        return {"class": type(error).__name__, "status": error.status_code, "text": str(error)}
    return {"class": None}


image = (
    Image.base("debian:12")
    .run_commands("echo from the official client > /srv/word")
    .env({"A": "b"})
    .workdir("/srv")
)
logs: list[str] = []
sandbox = daytona.create(CreateSandboxFromImageParams(image=image), on_snapshot_create_logs=logs.append)
seen["built"] = sandbox.process.exec("cat word; echo $A").result
seen["logs"] = "echo from the official client" in "\n".join(logs)
seen["failing"] = failure(
    lambda: daytona.create(
        CreateSandboxFromImageParams(
            name="interop-failing", image=Image.base("debian:12").run_commands("echo why; exit 3")
        )
    )
)
# The client may hear of the state by an event, of which it takes nothing but the state.
failed = daytona.get("interop-failing")
seen["reason"] = "why" in (failed.error_reason or "")
failed.delete()

logs.clear()
snapshot = daytona.snapshot.create(
    CreateSnapshotParams(name="interop-image", image=image, resources=Resources(cpu=2, memory=2, disk=4)),
    on_logs=logs.append,
)
seen["snapshot"] = [snapshot.name, str(snapshot.state.value), snapshot.cpu, snapshot.mem, snapshot.disk]
seen["snapshot logs"] = [line for line in logs if line.startswith(("Creating", "Created"))][-1].startswith(
    "Created"
)
seen["get"] = daytona.snapshot.get("interop-image").id == snapshot.id
seen["list"] = "interop-image" in [one.name for one in daytona.snapshot.list().items]
seen["twice"] = failure(
    lambda: daytona.snapshot.create(CreateSnapshotParams(name="interop-image", image="debian:12.9"))
)
other = daytona.create(CreateSandboxFromSnapshotParams(snapshot="interop-image"))
seen["from snapshot"] = [other.cpu, other.process.exec("cat /srv/word").result]
other.process.exec("echo more > /srv/more")
other.create_snapshot("interop-files")
third = daytona.create(CreateSandboxFromSnapshotParams(snapshot="interop-files"))
seen["from files"] = third.process.exec("cat /srv/more").result
child = other.fork("interop-child")
seen["fork"] = [child.name, child.process.exec("cat /srv/more").result]
other.stop()
other.archive()
seen["archived"] = other.state
other.start()
seen["back"] = other.process.exec("cat /srv/more").result
other.resize(Resources(cpu=4))
seen["resized"] = other.cpu
seen["parent"] = failure(other.delete)
for one in (sandbox, child, other, third):
    one.delete()
for name in ("interop-image", "interop-files"):
    daytona.snapshot.delete(daytona.snapshot.get(name))
seen["left"] = [one.name for one in daytona.snapshot.list().items if one.name.startswith("interop")]
print(json.dumps(seen, default=str))
