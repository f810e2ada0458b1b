"""What methods take and return can be asked for at run time: frameworks make tools for agents of them."""

from __future__ import annotations

import inspect
import typing

import pytest

import daytona

SERVICES = ("CodeInterpreter", "FileSystem", "Git", "Process", "Sandbox", "SnapshotService", "VolumeService")

LATE = {"connect_pty_session", "create_lsp_server", "create_pty_session", "resize"}
"""Methods with a type that is loaded when somebody uses it, so that nobody else pays for it."""


@pytest.mark.parametrize("name", [f"{face}{service}" for service in SERVICES for face in ("", "Async")])
def test_the_annotations_of_methods_can_be_evaluated(name: str) -> None:
    methods = inspect.getmembers(getattr(daytona, name), inspect.isfunction)
    public = {name: method for name, method in methods if not name.startswith("_") and name not in LATE}
    hints = {name: typing.get_type_hints(method) for name, method in public.items()}
    assert [name for name, found in hints.items() if "return" not in found] == []
