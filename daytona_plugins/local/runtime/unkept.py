"""Why control groups do not keep a limit on this machine, and what helps.

What the machine says about itself goes through one pure function, `explain`, which knows the usual causes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from daytona_plugins.local.runtime.cgroup_claims import CONTROLLERS
from daytona_plugins.local.runtime.cgroup_trees import Hierarchy, controllers_of, hierarchies
from daytona_plugins.local.runtime.scope import runtime_directory

if TYPE_CHECKING:
    from collections.abc import Iterable

Why = Literal[
    "not_writable", "container", "no_controller", "version_1", "busy", "service", "no_manager", "not_delegated",
    "no_scope",
]  # fmt: skip

_CAUSES: Final[dict[Why, tuple[str, str]]] = {
    "not_writable": (
        "there are none here that can be written to, as in a container",
        "Start the container with `--privileged` (Docker) or `--security-opt unmask=/sys/fs/cgroup` (Podman)",
    ),
    "container": (
        "this container was handed over none for `{missing}`",
        (
            "Start the container with a control group that it may divide (`--privileged --cgroupns=private`), or the"
            " platform outside of it"
        ),
    ),
    "no_controller": (
        "this kernel runs without `{missing}`",
        "Start it with `cgroup_enable={missing}` on its command line, and without `cgroup_disable={missing}`",
    ),
    "version_1": (
        "those of version 1 are for root only",
        "Start the kernel with `systemd.unified_cgroup_hierarchy=1` on its command line, or the platform as root",
    ),
    "busy": (
        "the kernel lets nobody divide the group that there is",
        "Start the platform outside of containers, or from a service with `Delegate=yes`",
    ),
    "service": (
        "the platform runs in {own}, which may not divide its control group",
        "Add `Delegate=yes` to the service",
    ),
    "no_manager": (
        "no systemd can be asked that runs for this user",
        (
            "Log in through ssh, a desktop or `machinectl shell`, or have `loginctl enable-linger {user}` done as"
            " administrator; the package `dbus-user-session` has to be there too. Or start the platform as root"
        ),
    ),
    "not_delegated": (
        "systemd does not hand over `{missing}` to users",
        (
            "As administrator, write the lines `[Service]` and `Delegate=cpu memory pids` into"
            " /etc/systemd/system/user@.service.d/delegate.conf, and run `systemctl daemon-reload` and"
            " `systemctl restart user@{user}`, which ends what runs for this user. Or start the platform as root"
        ),
    ),
    "no_scope": (
        "systemd did not hand one over",
        "Run `daytona local stop` and then `systemd-run --user --scope -p Delegate=yes daytona local start`",
    ),
}


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What this machine says about its control groups."""

    root: bool = False
    user: int = 1000
    own: str = ""
    """The name of the group of version 2 that this process is in."""
    version_1: frozenset[str] = frozenset()
    """The controllers that are in trees of version 1."""
    version_2: frozenset[str] = frozenset()
    """Those at the top of the tree of version 2, as far as it is seen."""
    whole_tree: bool = True
    """Whether that is the top of the machine, and not of a container."""
    writable: bool = True
    """Whether some tree with controllers is mounted for writing."""
    manager: frozenset[str] | None = None
    """What the systemd of this user can hand over; None where none can be asked."""


def explain(missing: Iterable[str], facts: Facts) -> list[str]:
    """Return a sentence or two about each cause for which a controller is *missing*; nothing is looked at here."""
    causes: dict[Why, list[str]] = {}
    for controller in missing:
        causes.setdefault(_why(controller, facts), []).append(controller)
    return [_sentence(why, controllers, facts) for why, controllers in causes.items()]


def why_not_kept(missing: Iterable[str]) -> list[str]:
    """Return the same for this machine as it is."""
    controllers = sorted(missing)
    return explain(controllers, gather_facts()) if controllers else []


def gather_facts() -> Facts:
    """Look at the machine."""
    trees = hierarchies()
    unified = next((tree for tree in trees if tree.version == 2), None)
    user = os.getuid()
    return Facts(
        root=user == 0,
        user=user,
        own=unified.own.name if unified else "",
        version_1=frozenset(name for tree in trees for name in tree.controllers),
        version_2=frozenset(controllers_of(unified.mount)) if unified else frozenset(),
        whole_tree=unified is None or not (unified.mount / "cgroup.type").exists(),
        writable=any(_limits(tree) and not tree.read_only for tree in trees),
        manager=_manager(unified, user) if unified else None,
    )


def _limits(tree: Hierarchy) -> bool:
    """Return whether a tree has a controller that limits anything."""
    found = controllers_of(tree.mount) if tree.version == 2 else tree.controllers
    return not found.isdisjoint(CONTROLLERS)


def _manager(tree: Hierarchy, user: int) -> frozenset[str] | None:
    """Return what the systemd of a user has, where it can be asked."""
    group = tree.mount / f"user.slice/user-{user}.slice/user@{user}.service"
    if not group.exists() or not (runtime_directory() / "bus").exists():
        return None
    return frozenset(controllers_of(group))


def _why(controller: str, facts: Facts) -> Why:
    if not facts.writable:
        return "not_writable"
    if not facts.whole_tree:
        return "container"
    if controller not in facts.version_1 | facts.version_2:
        return "no_controller"
    if controller in facts.version_1 and not facts.root:
        return "version_1"
    return "busy" if facts.root else _why_an_ordinary_user(controller, facts)


def _why_an_ordinary_user(controller: str, facts: Facts) -> Why:
    if facts.own.endswith(".service"):
        return "service"
    if facts.manager is None:
        return "no_manager"
    return "not_delegated" if controller not in facts.manager else "no_scope"


def _sentence(why: Why, missing: list[str], facts: Facts) -> str:
    limits = ", ".join("processes" if one == "pids" else one for one in missing)
    cause, remedy = _CAUSES[why]
    about = {"missing": ",".join(missing), "user": facts.user, "own": facts.own}
    return f"No control group keeps {limits}: {cause}. {remedy}.".format(**about)
