"""What the answers of a machine mean, for machines that we have not got, and what this one says."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import msgspec
import pytest

from daytona_plugins.local.runtime.probe import STEPS, Facts, Failure, Kind, Step, gather_facts, judge, probe

if TYPE_CHECKING:
    from daytona_plugins.local.paths import Paths

CASES: list[tuple[Kind, Step, int, Facts]] = [
    # Debian before 11, and whoever set it: the switch answers EPERM.
    ("userns_disabled", "user", errno.EPERM, Facts(userns_switched_off=True)),
    ("userns_limit", "user", errno.ENOSPC, Facts()),
    ("userns_disabled", "user", errno.EPERM, Facts()),
    ("no_userns", "user", errno.EINVAL, Facts()),
    # Docker's default profile forbids unshare.
    ("seccomp_blocked", "user", errno.EPERM, Facts(seccomp_filtered=True)),
    ("seccomp_blocked", "user", errno.ENOSYS, Facts()),
    ("seccomp_blocked", "mount", errno.EPERM, Facts(seccomp_filtered=True)),
    # Ubuntu 24.04: the user namespace comes, but without any power in it.
    ("apparmor", "maps", errno.EPERM, Facts(apparmor_restricts=True)),
    ("apparmor", "namespaces", errno.EPERM, Facts(apparmor_restricts=True)),
    ("apparmor", "mount", errno.EACCES, Facts(apparmor_restricts=True)),
    ("apparmor", "user", errno.EACCES, Facts(apparmor_restricts=True)),
    # The switch does not bind root.
    ("no_namespaces", "mount", errno.EPERM, Facts(apparmor_restricts=True, root=True)),
    ("no_id_map", "maps", errno.EPERM, Facts()),
    ("overlay_on_overlay", "overlay", errno.EINVAL, Facts(data_filesystem="overlay")),
    ("overlay_on_overlay", "overlay", errno.EINVAL, Facts(data_filesystem="fuse.sshfs")),
    ("overlay_on_overlay", "overlay", errno.EINVAL, Facts(data_filesystem="nfs4")),
    ("no_overlay", "overlay", errno.EPERM, Facts()),
    ("no_overlay", "overlay", errno.ENODEV, Facts()),
    ("proc_masked", "proc", errno.EPERM, Facts(seccomp_filtered=True)),
    ("no_network", "network", errno.EPERM, Facts()),
    ("no_seccomp", "seccomp", errno.EINVAL, Facts()),
]


@pytest.mark.parametrize(("kind", "step", "number", "facts"), CASES)
def test_each_refusal_has_a_cause_and_a_remedy(kind: Kind, step: Step, number: int, facts: Facts):
    verdict = judge(Failure(step, number), facts)
    assert (verdict.kind, verdict.full) == (kind, False)
    assert step in verdict.cause
    assert verdict.remedy


@pytest.mark.parametrize("step", STEPS)
def test_every_step_can_fail_and_can_get_stuck(step: Step):
    assert not judge(Failure(step, errno.EPERM), Facts()).full
    assert judge(Failure(step, None), Facts()).kind == "stuck"


def test_success_tells_root_from_others():
    assert judge(None, Facts(root=True)).kind == "root"
    assert judge(None, Facts()) == judge(None, Facts(apparmor_restricts=True, seccomp_filtered=True))
    assert judge(None, Facts()).full


def test_an_unknown_processor_is_refused_first():
    assert judge(Failure("user", errno.EPERM), Facts(supported_machine=False)).kind == "architecture"


def test_the_place_of_an_unfit_data_directory_is_named():
    facts = Facts(data="/home/me/.local/share/daytona", data_filesystem="overlay")
    verdict = judge(Failure("overlay", errno.EINVAL), facts)
    assert "/home/me/.local/share/daytona lies on overlay" in verdict.cause
    assert "DAYTONA_LOCAL_DIR" in verdict.remedy


def test_a_good_verdict_is_remembered_and_leaves_no_files(paths: Paths):
    verdict = probe(paths.data)
    if not verdict.full:
        pytest.skip(verdict.cause)
    assert sorted(path.name for path in paths.data.iterdir()) == [
        "blanks",
        "parked",
        "probe.json",
        "sandboxes",
    ]
    key, _ = msgspec.json.decode((paths.data / "probe.json").read_bytes(), type=tuple[str, object])
    (paths.data / "probe.json").write_bytes(
        msgspec.json.encode((key, {"kind": "userns", "full": True, "cause": "told"}))
    )
    assert probe(paths.data).cause == "told"
    (paths.data / "probe.json").write_bytes(
        msgspec.json.encode(("another boot", {"kind": "stuck", "full": True}))
    )
    assert probe(paths.data) == verdict


def test_the_facts_name_the_file_system(paths: Paths):
    facts = gather_facts(paths.data)
    assert facts.data == str(paths.data)
    assert facts.data_filesystem != "an unknown file system"
