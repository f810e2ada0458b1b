"""The official client works against the embedded platform, and sees what it would see of the hosted one.

The scripts in `scripts/` do the work and print what they saw; the expectations are the protocol's, not our client's.
"""

from __future__ import annotations

from typing import Any

import pytest

FILE_NOT_FOUND = {"class": "DaytonaFileNotFoundError", "status": 404}
NOT_FOUND = {"class": "DaytonaNotFoundError", "status": 404}
CONFLICT = {"class": "DaytonaConflictError", "status": 409}
BAD_REQUEST = {"class": "DaytonaBadRequestError", "status": 400}

BLOCKING = {
    "default": {"state": "started", "name is id": True},
    "named": {"name": "interop", "labels": {"team": "maps", "code-toolbox-language": "python"}, "stop": 30},
    "get": True,
    "list": ["interop"],
    "exec": {"code": 3, "result": "km\n/home/daytona\n", "stdout": "km\n/home/daytona\n"},
    "exec with more": "b\n/tmp\n",
    "code_run": {"code": 0, "result": "['x y'] c\n"},
    "directories": {"home": "/home/daytona", "work": "/home/daytona"},
    "download": "bytes",
    "download to file": "from a file",
    "download many": {"first": "one", "second": "from a file", "third": True},
    "files": [["bytes.txt", False, 5], ["deep", True, 0], ["file.txt", False, 11]],
    "info": {
        "name": "bytes.txt",
        "size": 5,
        "dir": False,
        "mode": "-rw-r--r--",
        "permissions": "0644",
    },
    "mode": "0600",
    "find": [["moved.txt", 1, "bytes"]],
    "search": ["moved.txt"],
    "replace": [True],
    "replaced": "bits",
    "labels": {"team": "roads"},
    "intervals": [60, 120, 180],
    "preview": True,
    "start of a started one": {"class": None},
    "stopped": "stopped",
    "started": "started",
    "kept": "kept",
    "image": {"cpu": 2, "memory": 2, "asked": "debian:12"},
    "left": [],
}
BLOCKING_FAILURES = {
    "same name": CONFLICT,
    "not there": NOT_FOUND,
    "exec too long": {"class": "DaytonaProcessExecutionTimeoutError", "status": 408},
    "file not there": FILE_NOT_FOUND,
    "download not there": FILE_NOT_FOUND,
    "directory in the way": BAD_REQUEST,
    "gone": FILE_NOT_FOUND,
    "exec while stopped": BAD_REQUEST,
    "deleted": NOT_FOUND,
}
ASYNC = {
    "exec": [0, 1, 2, 3, 4, 5, 6, 7],
    "code_run": "42\n",
    "download": 500_000,
    "back": "from a file",
    "files": ["1.txt", "2.txt"],
    "not there": FILE_NOT_FOUND,
    "labels": {"team": "roads"},
    "stop after": 5,
    "stopped": "stopped",
    "started": "started",
    "same name": CONFLICT,
    "get": True,
    "list": ["interop-async"],
    "deleted": NOT_FOUND,
}


@pytest.mark.parametrize("step", BLOCKING)
def test_the_blocking_client_sees(step: str, blocking_session: dict[str, Any]) -> None:
    assert blocking_session[step] == BLOCKING[step]


@pytest.mark.parametrize("step", BLOCKING_FAILURES)
def test_the_blocking_client_is_refused(step: str, blocking_session: dict[str, Any]) -> None:
    failure = {name: blocking_session[step][name] for name in ("class", "status")}
    assert failure == BLOCKING_FAILURES[step], blocking_session[step]


@pytest.mark.parametrize("step", ASYNC)
def test_the_asynchronous_client_sees(step: str, async_session: dict[str, Any]) -> None:
    assert async_session[step] == ASYNC[step]


def test_every_step_is_looked_at(blocking_session: dict[str, Any], async_session: dict[str, Any]) -> None:
    assert blocking_session.keys() == BLOCKING.keys() | BLOCKING_FAILURES.keys()
    assert async_session.keys() == ASYNC.keys()
