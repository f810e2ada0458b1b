"""The platform of an ordinary user gets a part of the tree of control groups where systemd hands one over."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daytona_plugins.local.runtime import scope
from daytona_plugins.local.runtime.cgroup_trees import Hierarchy, read
from daytona_plugins.local.runtime.families import family
from daytona_plugins.local.runtime.trying import try_groups
from tests.local.ordinary_user import needs_root, run_as_ordinary_user

if TYPE_CHECKING:
    from collections.abc import Generator

needs_systemd = pytest.mark.skipif(
    not scope.is_wanted(), reason="no systemd would hand over control groups to us here"
)


@contextmanager
def sleeping() -> Generator[int]:
    """A process that waits for the one that it has started."""
    with subprocess.Popen(["sh", "-c", "sleep 60 & wait"]) as process:
        try:
            yield process.pid
        finally:
            for pid in list(family(process.pid)):
                os.kill(pid, signal.SIGKILL)


def group_of(pid: int) -> str:
    return read(f"/proc/{pid}/cgroup").rpartition("0::")[2].strip()


@needs_systemd
def test_processes_are_moved_and_the_scope_ends_with_them():
    with sleeping() as pid:
        scope.move(pid)
        group = Path(f"/sys/fs/cgroup{group_of(pid)}")
        assert group.name == f"daytona-{pid}.scope"
        assert os.access(group / "cgroup.subtree_control", os.W_OK)
        assert group_of(os.getpid()) != group_of(pid)
        assert {group_of(one) for one in family(pid)} == {group_of(pid)}
    state = ["systemctl", "--user", "show", "--property=ActiveState", "--value", group.name]
    while subprocess.run(state, capture_output=True, text=True, check=True).stdout == "active\n":
        pass
    assert not group.exists()


@needs_systemd
def test_what_would_hold_is_found_out_without_moving_us():
    before = group_of(os.getpid())
    assert try_groups("a platform that is only tried") >= {"memory", "pids"}
    assert group_of(os.getpid()) == before


def test_nobody_is_moved_where_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    monkeypatch.setattr(scope, "PATIENCE", 0.2)
    with sleeping() as pid:
        before = group_of(pid)
        scope.move(pid)
        assert group_of(pid) == before


@pytest.mark.parametrize(
    ("own", "controllers", "wanted"),
    [
        ("user.slice/session-1.scope", "cpu memory pids", True),
        ("user.slice/session-1.scope/daytona-platform", "cpu memory pids", True),
        ("user.slice/ci.service", "cpu memory pids", False),
        ("", "cpu memory pids", False),
        ("user.slice/session-1.scope", "hugetlb", False),
    ],
)
def test_a_scope_is_asked_for_where_it_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, controllers: str, wanted: bool
):
    tree = Hierarchy(2, tmp_path, tmp_path / own, frozenset())
    (tmp_path / "cgroup.controllers").write_text(controllers)
    (tmp_path / "bus").touch()
    monkeypatch.setattr(scope, "hierarchies", lambda: [tree])
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert scope.is_wanted() == wanted
    (tmp_path / "bus").unlink()
    assert not scope.is_wanted()


@needs_root
def test_all_of_this_holds_for_an_ordinary_user():
    """Run this file again as a user without any rights."""
    run_as_ordinary_user(__file__)
