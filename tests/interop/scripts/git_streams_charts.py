"""What users of the official clients do with git, streams of files, signed addresses and charts.

Arguments: the address of a repository, its user and password, and where the sandbox finds matplotlib.
Prints one line of JSON: what each face saw at each step.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import io
import json
import sys
import urllib.request
from typing import Any

from daytona import AsyncDaytona, CodeRunParams, Daytona, DaytonaError

URL, USER, PASSWORD, SITE, SANDBOX = sys.argv[1:]
CHARTS = """import matplotlib.pyplot as plt, datetime
plt.plot([1, 2], [3, 4.5]); plt.show()
plt.bar(["a"], [3]); plt.show()
plt.plot([datetime.date(2026, 1, 1)], [1]); plt.show()
figure, (left, right) = plt.subplots(1, 2); left.scatter([1], [2]); right.pie([1]); plt.show()
print("drawn")
"""


async def now(value: Any) -> Any:
    """Return what a call of either face comes to."""
    return await value if inspect.isawaitable(value) else value


async def collect(stream: Any) -> bytes:
    """Return what a stream of either face holds."""
    stream = await now(stream)
    if hasattr(stream, "__aiter__"):
        return b"".join([piece async for piece in stream])
    return b"".join(stream)


async def failure(call: Any) -> list[Any]:
    """Return what kind of error *call* raises."""
    try:
        await now(call())
    except DaytonaError as error:
        return [type(error).__name__, error.status_code]
    return ["none", None]


async def use(sandbox: Any, folder: str) -> dict[str, Any]:
    """Return what each step answers."""
    return {
        "git": await use_git(sandbox.git, sandbox, folder),
        "streams": await use_streams(sandbox.fs, folder),
        "addresses": await use_addresses(sandbox, folder),
        "charts": await use_charts(sandbox),
    }


async def use_git(git: Any, sandbox: Any, folder: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    path = f"{folder}/repository"
    seen["no credentials"] = await failure(lambda: git.clone(URL, path))
    await now(git.clone(URL, path, username=USER, password=PASSWORD))
    status = await now(git.status(path))
    seen["status"] = [status.current_branch, status.ahead, status.behind, status.branch_published]
    await now(git.create_branch(path, folder))
    await now(sandbox.fs.upload_file(b"new", f"{path}/new.txt"))
    await now(git.add(path, ["new.txt"]))
    files = (await now(git.status(path))).file_status
    seen["files"] = [[file.name, str(file.staging.value), str(file.worktree.value)] for file in files]
    seen["commit"] = len((await now(git.commit(path, "new", "Ann", "ann@example.com"))).sha)
    await now(git.push(path, USER, PASSWORD, set_upstream=True))
    await now(git.pull(path, USER, PASSWORD))
    seen["branches"] = sorted((await now(git.branches(path))).branches)
    await now(git.checkout_branch(path, "main"))
    await now(git.delete_branch(path, folder))
    seen["unknown branch"] = await failure(lambda: git.checkout_branch(path, "unknown"))
    await now(git.init(f"{folder}/made", initial_branch="trunk"))
    await now(git.remote_add(f"{folder}/made", "up", "http://127.0.0.1:1/r.git"))
    seen["remote"] = await now(git.remote_get(f"{folder}/made", "up"))
    await now(git.set_config("a.b", "c", scope="local", path=path))
    seen["config"] = await now(git.get_config("a.b", scope="local", path=path))
    seen["no config"] = await now(git.get_config("a.c", scope="local", path=path))
    await now(git.reset(path, mode="hard"))
    await now(git.restore(path, ["a.txt"]))
    return seen


async def use_streams(fs: Any, folder: str) -> dict[str, Any]:
    content = bytes(range(256)) * 10_000
    progress: list[int] = []
    await now(fs.upload_file_stream(io.BytesIO(content), f"{folder}/stream"))
    back = await collect(
        fs.download_file_stream(
            f"{folder}/stream", on_progress=lambda now: progress.append(now.bytes_received)
        )
    )
    return {"same": back == content, "progress": progress[-1]}


async def use_addresses(sandbox: Any, folder: str) -> bool:
    request = urllib.request.Request(
        await now(sandbox.upload_url(f"{folder}/a b")), b"by address", method="POST"
    )
    urllib.request.urlopen(request).close()  # noqa: ASYNC210 - a script with one task
    await now(sandbox.rotate_signing_key())
    with urllib.request.urlopen(await now(sandbox.download_url(f"{folder}/a b"))) as answer:  # noqa: ASYNC210
        return answer.read() == b"by address"


async def use_charts(sandbox: Any) -> dict[str, Any]:
    done = await now(sandbox.process.code_run(CHARTS, CodeRunParams(env={"PYTHONPATH": SITE})))
    charts = done.artifacts.charts
    return {
        "result": done.result,
        "classes": [type(chart).__name__ for chart in charts],
        "pictures": all(base64.b64decode(chart.png).startswith(b"\x89PNG") for chart in charts),
        "line": charts[0].elements[0].points,
        "bar": charts[1].elements[0].value,
        "date": charts[2].elements[0].points,
        "parts": [str(part.type) for part in charts[3].elements],
    }


async def asynchronous() -> dict[str, Any]:
    async with AsyncDaytona() as daytona:
        return await use(await daytona.get(SANDBOX), "official-async")


print(
    json.dumps(
        {
            "blocking": asyncio.run(use(Daytona().get(SANDBOX), "official-blocking")),
            "asynchronous": asyncio.run(asynchronous()),
        }
    )
)
