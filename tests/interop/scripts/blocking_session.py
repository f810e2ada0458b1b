"""What a user of the official blocking client does in a day, against the platform that the environment names.

Prints one line of JSON: what each step saw. The tests compare it with what the hosted platform would have said.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from daytona import (
    CodeRunParams,
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    Daytona,
    DaytonaError,
    FileDownloadRequest,
    FileUpload,
    ListSandboxesQuery,
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


plain = daytona.create()
seen["default"] = {"state": plain.state, "name is id": plain.name == plain.id}

sandbox = daytona.create(
    CreateSandboxFromSnapshotParams(
        name="interop", labels={"team": "maps"}, env_vars={"UNITS": "km"}, auto_stop_interval=30
    )
)
seen["named"] = {"name": sandbox.name, "labels": sandbox.labels, "stop": sandbox.auto_stop_interval}
seen["get"] = daytona.get("interop").id == sandbox.id
seen["list"] = [one.name for one in daytona.list(ListSandboxesQuery(labels={"team": "maps"}))]
seen["same name"] = failure(lambda: daytona.create(CreateSandboxFromSnapshotParams(name="interop")))
seen["not there"] = failure(lambda: daytona.get("no-such-sandbox"))

answer = sandbox.process.exec("echo $UNITS; pwd; exit 3", timeout=10)
seen["exec"] = {
    "code": answer.exit_code,
    "result": answer.result,
    "stdout": answer.artifacts and answer.artifacts.stdout,
}
answer = sandbox.process.exec("echo $A; pwd", cwd="/tmp", env={"A": "b"})
seen["exec with more"] = answer.result
seen["exec too long"] = failure(lambda: sandbox.process.exec("sleep 30", timeout=1))
answer = sandbox.process.code_run(
    "import sys, os; print(sys.argv[1:], os.environ['B'])", CodeRunParams(argv=["x y"], env={"B": "c"})
)
seen["code_run"] = {"code": answer.exit_code, "result": answer.result}

fs = sandbox.fs
home = sandbox.get_user_home_dir()
seen["directories"] = {"home": home, "work": sandbox.get_work_dir()}
fs.create_folder("made/deep", "755")
fs.upload_file(b"bytes", "made/bytes.txt")
Path("local.txt").write_text("from a file")
fs.upload_file("local.txt", "made/file.txt")
fs.upload_files([FileUpload(b"one", "made/deep/1.txt"), FileUpload("local.txt", "made/deep/2.txt")])
seen["download"] = fs.download_file("made/bytes.txt").decode()
fs.download_file("made/file.txt", "back.txt")
seen["download to file"] = Path("back.txt").read_text()
files = fs.download_files(
    [
        FileDownloadRequest("made/deep/1.txt"),
        FileDownloadRequest("made/deep/2.txt", "two.txt"),
        FileDownloadRequest("made/none.txt"),
    ]
)
seen["download many"] = {
    "first": files[0].result.decode() if isinstance(files[0].result, bytes) else None,
    "second": Path("two.txt").read_text(),
    "third": files[2].error is not None,
}
seen["files"] = sorted(
    (one.name, one.is_dir, int(one.size) if not one.is_dir else 0) for one in fs.list_files("made")
)
info = fs.get_file_info("made/bytes.txt")
seen["info"] = {
    "name": info.name,
    "size": info.size,
    "dir": info.is_dir,
    "mode": info.mode,
    "permissions": info.permissions,
}
fs.set_file_permissions("made/bytes.txt", mode="600")
seen["mode"] = fs.get_file_info("made/bytes.txt").permissions
fs.move_files("made/bytes.txt", "made/moved.txt")
seen["find"] = [(one.file.rsplit("/", 1)[1], one.line, one.content) for one in fs.find_files("made", "yte")]
seen["search"] = [path.rsplit("/", 1)[1] for path in fs.search_files("made", "mov*").files]
seen["replace"] = [one.success for one in fs.replace_in_files([f"{home}/made/moved.txt"], "byte", "bit")]
seen["replaced"] = fs.download_file("made/moved.txt").decode()
fs.delete_file("made/moved.txt")
seen["file not there"] = failure(lambda: fs.get_file_info("made/moved.txt"))
seen["download not there"] = failure(lambda: fs.download_file("made/moved.txt"))
seen["directory in the way"] = failure(lambda: fs.delete_file("made/deep"))
fs.delete_file("made", recursive=True)
seen["gone"] = failure(lambda: fs.list_files("made"))

seen["labels"] = sandbox.set_labels({"team": "roads"})
sandbox.set_autostop_interval(60)
sandbox.set_auto_archive_interval(120)
sandbox.set_auto_delete_interval(180)
sandbox.refresh_data()
seen["intervals"] = [sandbox.auto_stop_interval, sandbox.auto_archive_interval, sandbox.auto_delete_interval]
seen["preview"] = "8000" in sandbox.get_preview_link(8000).url
seen["start of a started one"] = failure(sandbox.start)

fs.upload_file(b"kept", "kept.txt")
sandbox.stop()
seen["stopped"] = sandbox.state
seen["exec while stopped"] = failure(lambda: sandbox.process.exec("true"))
sandbox.start()
seen["started"] = sandbox.state
seen["kept"] = fs.download_file("kept.txt").decode()

image = daytona.create(CreateSandboxFromImageParams(image="debian:12", resources=Resources(cpu=2, memory=2)))
seen["image"] = {"cpu": image.cpu, "memory": image.memory, "asked": image.labels.get("daytona.local/image")}

ours = {plain.id, image.id, sandbox.id}
for one in (plain, image):
    one.delete(wait=True)
daytona.delete(sandbox, wait=True)
seen["deleted"] = failure(lambda: daytona.get(sandbox.id))
seen["left"] = [one.name for one in daytona.list() if one.id in ours]

print(json.dumps(seen, default=str))
