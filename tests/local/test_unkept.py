"""Why a limit is not kept is told with what helps on that machine."""

from __future__ import annotations

import os
from typing import Any

import pytest

from daytona_plugins.local.runtime.cgroup_claims import CONTROLLERS
from daytona_plugins.local.runtime.unkept import Facts, explain, gather_facts, why_not_kept

ALL = frozenset(CONTROLLERS)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"writable": False, "version_2": ALL}, "unmask=/sys/fs/cgroup"),
        ({"whole_tree": False}, "this container was handed over none"),
        ({"whole_tree": False, "root": True}, "this container was handed over none"),
        ({"version_2": frozenset({"cpu"})}, "cgroup_enable=memory"),
        ({"version_1": ALL}, "systemd.unified_cgroup_hierarchy=1"),
        ({"version_2": ALL, "root": True}, "outside of containers"),
        ({"version_2": ALL, "own": "ci.service", "manager": ALL}, "Add `Delegate=yes` to the service"),
        ({"version_2": ALL, "user": 1001}, "loginctl enable-linger 1001"),
        ({"version_2": ALL, "manager": frozenset({"pids"})}, "Delegate=cpu memory pids"),
        (
            {"version_2": ALL, "manager": ALL},
            "systemd-run --user --scope -p Delegate=yes daytona local start",
        ),
    ],
)
def test_each_cause_has_a_remedy_of_its_own(facts: dict[str, Any], told: str):
    (sentence,) = explain(["memory"], Facts(**facts))
    assert sentence.startswith("No control group keeps memory: ")
    assert told in sentence


def test_what_has_one_cause_is_told_in_one_sentence():
    facts = Facts(version_2=ALL, manager=frozenset({"memory"}))
    assert [sentence.partition(":")[0] for sentence in explain(["cpu", "pids"], facts)] == [
        "No control group keeps cpu, processes"
    ]
    assert [sentence.partition(":")[0] for sentence in explain(["cpu", "memory"], facts)] == [
        "No control group keeps cpu",
        "No control group keeps memory",
    ]


def test_this_machine_is_looked_at_as_it_is():
    facts = gather_facts()
    assert (facts.root, facts.user) == (os.getuid() == 0, os.getuid())
    assert why_not_kept([]) == []
    assert len(why_not_kept(["cpu"])) == 1
