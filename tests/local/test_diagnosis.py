"""What the doctor says holds on this machine is what sandboxes say of themselves."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from daytona_plugins.local import diagnosis
from daytona_plugins.local.diagnosis import diagnose
from daytona_plugins.local.runtime.spec import Limits
from tests.local.ordinary_user import needs_root, run_as_ordinary_user
from tests.local.test_escape import building

if TYPE_CHECKING:
    import pytest

    from daytona_plugins.local.paths import Paths


def test_the_doctor_and_the_sandboxes_say_the_same():
    with building() as builder:
        told = "\n".join(diagnose(builder.paths))
        box = builder.box("told", limits=Limits(cpu=1, memory=2**30, disk=2**30))
        for name, holds in box.sandbox.isolation.limits.items():
            assert f"{name} {holds}" in told
        assert any("No control group keeps" in note for note in box.sandbox.isolation.notes) == (
            "No control group keeps" in told
        )
        shares_root = any("root outside" in note for note in box.sandbox.isolation.notes)
        assert ("is root outside" in told) == shares_root
        assert ("is you outside" in told) == (os.getuid() != 0)


def test_what_is_missing_comes_with_what_helps(paths: Paths, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(diagnosis, "try_groups", lambda _name: frozenset[str]())
    monkeypatch.setattr(diagnosis, "can_shift", lambda _data: False)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    told = "\n".join(diagnose(paths))
    assert "cpu ignored, memory watched" in told
    assert "No control group keeps cpu, memory" in told
    assert "extra `secrets`" in told
    assert os.getuid() != 0 or "run the platform as an ordinary user" in told


@needs_root
def test_all_of_this_holds_for_an_ordinary_user():
    """Run this file again as a user without any rights."""
    run_as_ordinary_user(__file__)
