"""What a key has to be allowed to do for a request, as the protocol says it.

Rules look at the segments of a path as they were sent, which is how the router looks at them: what is one segment to it is one
segment here, whatever is encoded in it.
"""

from __future__ import annotations

from typing import NamedTuple

ALL = (
    "write:registries", "delete:registries", "write:snapshots", "delete:snapshots", "write:sandboxes", "delete:sandboxes",
    "read:volumes", "write:volumes", "delete:volumes", "write:regions", "delete:regions", "read:runners", "write:runners",
    "delete:runners", "read:audit_logs", "manage:api_keys", "manage:secrets", "read:limits", "manage:sso", "read:billing",
    "manage:billing",
)  # fmt: skip  # a list
"""Every permission of the protocol."""
USE_SANDBOXES = "write:sandboxes"
"""What it takes to reach into a sandbox: whoever does may change all that is in it.

The hosted platform asks for nothing there, so that any key of an organization opens all of its sandboxes.
"""


class Rule(NamedTuple):
    """One of *needed* is needed for these methods (all of them: `*`) on paths like this; nothing, if it is empty."""

    methods: str
    path: str
    needed: tuple[str, ...] = ()

    def covers(self, method: str, segments: list[str]) -> bool:
        """Return whether the rule speaks of a request."""
        pattern = self.path.split("/")
        if self.methods != "*" and method not in self.methods.split("|"):
            return False
        if pattern[-1] == "**":
            pattern, segments = pattern[:-1], segments[: len(pattern) - 1]
        return len(pattern) == len(segments) and all(
            expected in ("*", found) for expected, found in zip(pattern, segments, strict=True)
        )


RULES = (
    Rule("GET", "api-keys/current"),
    Rule("*", "api-keys/**", ("manage:api_keys",)),
    Rule("GET", "organizations/*/usage", ("read:limits",)),
    Rule("*", "secret/**", ("manage:secrets",)),
    Rule("GET", "audit/**", ("read:audit_logs",)),
    Rule("GET", "volumes/**", ("read:volumes",)),
    Rule("POST", "volumes/**", ("write:volumes",)),
    Rule("DELETE", "volumes/**", ("delete:volumes",)),
    Rule("GET", "object-storage/push-access", ("write:snapshots", "write:sandboxes")),
    Rule("DELETE", "docker-registry/**", ("delete:registries",)),
    Rule("POST|PATCH", "docker-registry/**", ("write:registries",)),
    Rule("DELETE", "snapshots/**", ("delete:snapshots",)),
    Rule("POST", "snapshots/**", ("write:snapshots",)),
    Rule("POST", "sandbox/*/last-activity"),
    Rule("POST", "sandbox/*/ports/*/signed-preview-url/*/expire"),
    Rule("GET", "sandbox/*/ports/**", (USE_SANDBOXES,)),
    Rule("GET", "sandbox/*/signing-key", (USE_SANDBOXES,)),
    Rule("GET", "preview/*/signing-key", (USE_SANDBOXES,)),
    Rule("DELETE", "sandbox/*", ("delete:sandboxes",)),
    Rule("POST|PUT|DELETE", "sandbox/**", ("write:sandboxes",)),
    Rule("POST|PATCH|DELETE", "warm-pools/**", ("write:sandboxes",)),
    Rule("GET", "runners/**", ("read:runners",)),
    Rule("GET", "**"),
)
"""The first one that covers a request counts; for one that none covers nobody has the permission."""


def needed(method: str, raw_path: str) -> tuple[str, ...] | None:
    """Return the permissions of which one is needed for a request below `/api/`, None when none is enough."""
    segments = raw_path.split("/")[2:]
    return next((rule.needed for rule in RULES if rule.covers(method, segments)), None)


def is_allowed(permissions: tuple[str, ...], method: str, raw_path: str) -> bool:
    """Return whether somebody with these permissions may do this."""
    one_of = needed(method, raw_path)
    if one_of is None:
        return False
    return not one_of or not set(one_of).isdisjoint(permissions)
